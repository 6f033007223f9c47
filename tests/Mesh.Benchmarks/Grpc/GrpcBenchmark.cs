using BenchmarkDotNet.Attributes;
using Grpc.Net.Client;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Benchmarks.Grpc;

/// <summary>A server and a client of ours in one process over a real socket, so that allocated bytes are those of both sides.</summary>
[MemoryDiagnoser]
public abstract class GrpcBenchmark
{
    private WebApplication _app = null!;
    private GrpcChannel _channel = null!;

    protected TestService.TestServiceClient Client { get; private set; } = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        var port = 0;
        _app = await LoadServer.StartAsync(options => port = options.IPEndPoint!.Port);
        _channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}", new GrpcChannelOptions { MaxReceiveMessageSize = null });
        Client = new TestService.TestServiceClient(_channel);
        Prepare();
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
    }

    /// <summary>Makes what a benchmark sends; its parameters are set.</summary>
    protected virtual void Prepare()
    {
    }
}
