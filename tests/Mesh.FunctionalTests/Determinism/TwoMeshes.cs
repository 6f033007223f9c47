using Grpc.Net.Client;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting;
using Mesh.OneProcess;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Determinism;

/// <summary>The same models served in one process, and split in processes with two generators and two decoders; both share a Redis.</summary>
public sealed class TwoMeshes : IAsyncLifetime
{
    private RedisServer? _redis;
    private OneProcessMesh? _one;
    private ProcessMesh? _split;
    private GrpcChannel? _channel;

    /// <summary>The mesh of one process.</summary>
    public ImageService.ImageServiceClient One => new(_channel!);

    public ProcessMesh Split => _split!;

    public async Task InitializeAsync()
    {
        _redis = await RedisServer.StartAsync();
        IReadOnlyList<(string Key, string? Value)> settings = [.. TinyModels.FlowSettings, ("Mesh:Redis:Cache", _redis.Connection)];
        var one = new Dictionary<string, string?>(settings.Select(x => KeyValuePair.Create(x.Key, x.Value)))
        {
            ["Mesh:Device:Name"] = "cpu",
            ["Mesh:Listen:Grpc"] = "127.0.0.1:0",
            ["Mesh:Listen:Http"] = "127.0.0.1:0",
        };
        _one = OneProcessMesh.Create([], one);
        await _one.StartAsync(CancellationToken.None).DefaultTimeout();
        _channel = GrpcChannel.ForAddress(_one.Gateway.Addresses().Grpc);
        _split = await ProcessMesh.StartAsync(new() { Settings = settings, Replicas = new Dictionary<string, int> { ["generator"] = 2, ["decoder"] = 2, ["upsampler"] = 0 } });
    }

    public async Task DisposeAsync()
    {
        if (_split is not null) await _split.DisposeAsync();
        _channel?.Dispose();
        if (_one is not null) await _one.DisposeAsync().DefaultTimeout();
        if (_redis is not null) await _redis.DisposeAsync();
    }
}
