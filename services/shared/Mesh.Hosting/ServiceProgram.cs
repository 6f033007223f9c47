using Mesh.Hosting.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Mesh.Hosting;

/// <summary>A service's process: what <c>Program.cs</c> returns.</summary>
public static class ServiceProgram
{
    /// <summary>It ended as it was told to.</summary>
    public const int Ok = 0;

    /// <summary>It could not start or go on; the message says why.</summary>
    public const int Failed = 1;

    /// <summary>It is not configured as it must be; each fault is one line on standard error.</summary>
    public const int BadConfiguration = 2;

    /// <summary>Runs a service until it is told to stop.</summary>
    /// <param name="create">Makes it, such as <c>() => GeneratorApp.Create(args)</c>.</param>
    /// <param name="errors">Where faults go; standard error where null.</param>
    /// <returns>The exit code.</returns>
    public static Task<int> RunAsync(Func<WebApplication> create, TextWriter? errors = null)
    {
        ArgumentNullException.ThrowIfNull(create);
        return RunAsync(() => RunOneAsync(create), errors);
    }

    /// <summary>Runs what the process is for, and makes an exit code of how it ends.</summary>
    /// <param name="run">Ends when the process is told to stop.</param>
    /// <param name="errors">Where faults go; standard error where null.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Func<Task> run, TextWriter? errors = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        errors ??= Console.Error;
        try
        {
            await run().ConfigureAwait(false);
            return Ok;
        }
        catch (ConfigurationException e)
        {
            foreach (var fault in e.Faults) await errors.WriteLineAsync(fault).ConfigureAwait(false);
            return BadConfiguration;
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            await errors.WriteLineAsync(e.Message).ConfigureAwait(false);
            return Failed;
        }
#pragma warning disable CA1031 // The end of the process: what nobody foresaw is told whole, and leaves no core behind.
        catch (Exception e)
#pragma warning restore CA1031
        {
            await errors.WriteLineAsync(e.ToString()).ConfigureAwait(false);
            return Failed;
        }
    }

    private static async Task RunOneAsync(Func<WebApplication> create)
    {
        var app = create();
        await using (app.ConfigureAwait(false))
        {
            ParentWatch.Begin(app.Lifetime, app.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
            await app.RunAsync().ConfigureAwait(false);
        }
    }
}
