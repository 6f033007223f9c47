using Mesh.Hosting.Configuration;
using Mesh.Hosting.Devices;

namespace Mesh.Hosting.Tests;

/// <summary>What tests start as a process of its own.</summary>
internal static class Program
{
    public const string Serve = "serve";
    public const string Hold = "hold";

    public static async Task<int> Main(string[] args)
    {
        if (args[0] == Serve) return await ServiceProgram.RunAsync(() => ProbeApp.Create(args[1..]));
        var options = new DeviceOptions { Name = args[1], LockFolder = args[2], AllowShared = args[3] == "shared" };
        try
        {
            using var pin = DevicePin.Take(options, "holder", ProbeApp.CudaDevices(2));
            Console.WriteLine(pin.Name);
            await Console.In.ReadToEndAsync();
            return 0;
        }
        catch (ConfigurationException e)
        {
            Console.WriteLine(e.Message);
            return ServiceProgram.BadConfiguration;
        }
    }

    /// <summary>Starts this assembly as a process.</summary>
    public static Testing.ChildProgram Start(IReadOnlyDictionary<string, string>? environment, params string[] args) =>
        Testing.ChildProgram.Start("dotnet", ["exec", typeof(Program).Assembly.Location, .. args], environment: environment);
}
