using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.OneProcess;
using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>How the services of one process come up and go down together.</summary>
public sealed class OneProcessTests
{
    [Fact]
    public void Create_BadConfiguration_NamesEachFaultOnce()
    {
        var fault = Should.Throw<ConfigurationException>(() => OneProcessMesh.Create([], Settings(("Mesh:Batching:MaxBatch", "many"), ("Mesh:Gateway:MaxCount", "none"), ("Mesh:Typo", "1"))));

        fault.Faults.Count(x => x.Contains("MaxBatch", StringComparison.Ordinal)).ShouldBe(1);
        fault.Faults.Count(x => x.Contains("Typo", StringComparison.Ordinal)).ShouldBe(1);
        fault.Faults.ShouldContain(x => x.Contains("MaxCount", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Create_StageThatIsConfiguredElsewhere_DoesNotRunHere()
    {
        await using var mesh = OneProcessMesh.Create([], Settings(("Mesh:Stages:Upsampler:0", "http://127.0.0.1:9"), ("Mesh:Stages:Text:0", "http://127.0.0.1:9")));

        mesh.Stages.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Dispose_LeavesNoSockets()
    {
        string socket;
        await using (var mesh = OneProcessMesh.Create([], Settings()))
        {
            await mesh.StartAsync(CancellationToken.None).DefaultTimeout();
            socket = mesh.Stages[0].Addresses().Grpc["unix:".Length..];
            File.Exists(socket).ShouldBeTrue();
        }

        Directory.Exists(Path.GetDirectoryName(socket)).ShouldBeFalse();
    }

    [Fact]
    public async Task Start_GatewayCannotListen_StopsTheStagesAndThrows()
    {
        await using var first = OneProcessMesh.Create([], Settings());
        await first.StartAsync(CancellationToken.None).DefaultTimeout();
        var taken = first.Gateway.Addresses().Grpc["http://".Length..];
        await using var second = OneProcessMesh.Create([], Settings(("Mesh:Listen:Grpc", taken)));

        await Should.ThrowAsync<IOException>(() => second.StartAsync(CancellationToken.None).DefaultTimeout());

        second.Stages.ShouldAllBe(x => x.Lifetime.ApplicationStopped.IsCancellationRequested);
    }

    private static Dictionary<string, string?> Settings(params (string Key, string Value)[] more)
    {
        var settings = new Dictionary<string, string?>
        {
            ["Mesh:Listen:Grpc"] = "127.0.0.1:0",
            ["Mesh:Listen:Http"] = "",
            ["Mesh:Device:Name"] = "cpu",
            ["Mesh:Models:emoji:Folder"] = Repository.PathOf("deploy", "models", "emoji"),
        };
        foreach (var (key, value) in more) settings[key] = value;
        return settings;
    }
}
