using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Gateway.Tests.Fakes;

/// <summary>Fake stages on real servers, and a real gateway before them. Disposing it fails on errors that the gateway logged unexpectedly.</summary>
internal sealed class FakeMesh : IAsyncDisposable
{
    private readonly List<FakeGateway> _gateways = [];

    public FakeText Text { get; } = new();

    public List<FakeGenerator> Generators { get; } = [new()];

    public FakeGenerator Generator => Generators[0];

    public FakeDecoder Decoder { get; } = new();

    public FakeUpsampler Upsampler { get; } = new();

    public FakeGateway Gateway => _gateways[0];

    public ImageService.ImageServiceClient Images => Gateway.Images;

    public static async Task<FakeMesh> StartAsync(int generators = 1, bool upsampler = true, params (string Key, string Value)[] settings)
    {
        var mesh = new FakeMesh();
        while (mesh.Generators.Count < generators) mesh.Generators.Add(new());
        await mesh.Text.StartAsync();
        foreach (var generator in mesh.Generators) await generator.StartAsync();
        await mesh.Decoder.StartAsync();
        if (upsampler) await mesh.Upsampler.StartAsync();
        await mesh.AddGatewayAsync(upsampler, settings);
        await mesh.Gateway.ReadyAsync();
        return mesh;
    }

    /// <summary>Starts a gateway, a second one beside the first too.</summary>
    public async Task<FakeGateway> AddGatewayAsync(bool upsampler = true, params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string?>
        {
            ["Mesh:Listen:Grpc"] = "127.0.0.1:0",
            ["Mesh:Listen:Http"] = "127.0.0.1:0",
            ["Mesh:Stages:Text:0"] = Text.Endpoint,
            ["Mesh:Stages:Decoder:0"] = Decoder.Endpoint,
            ["Mesh:Stages:Poll"] = "00:00:00.1",
            ["Mesh:Stages:Wait"] = "00:00:30",
        };
        for (var i = 0; i < Generators.Count; i++) all[$"Mesh:Stages:Generator:{i}"] = Generators[i].Endpoint;
        if (upsampler) all["Mesh:Stages:Upsampler:0"] = Upsampler.Endpoint;
        foreach (var (key, value) in settings) all[key] = value;
        var gateway = await FakeGateway.StartAsync(all);
        _gateways.Add(gateway);
        return gateway;
    }

    public async ValueTask DisposeAsync()
    {
        // The stages first would look like a crash to a gateway that still has work there.
        foreach (var gateway in _gateways) await gateway.StopAsync();
        await Text.DisposeAsync();
        foreach (var generator in Generators) await generator.DisposeAsync();
        await Decoder.DisposeAsync();
        await Upsampler.DisposeAsync();
        foreach (var gateway in _gateways) gateway.Logs.ThrowOnErrors();
    }
}

/// <summary>A gateway on ports that the system chose.</summary>
internal sealed class FakeGateway
{
    private readonly WebApplication _app;

    private FakeGateway(WebApplication app, LogCollector logs)
    {
        _app = app;
        Logs = logs;
        Channel = GrpcChannel.ForAddress(app.Addresses().Grpc, new GrpcChannelOptions { MaxReceiveMessageSize = null, MaxSendMessageSize = null });
        Images = new(Channel);
        Operations = new(Channel);
    }

    public GrpcChannel Channel { get; }

    public ImageService.ImageServiceClient Images { get; }

    public GatewayService.GatewayServiceClient Operations { get; }

    public IServiceProvider Services => _app.Services;

    public LogCollector Logs { get; }

    public string Http => _app.Addresses().Http!;

    public static async Task<FakeGateway> StartAsync(IReadOnlyDictionary<string, string?> settings)
    {
        var app = GatewayApp.Create([], settings);
        var logs = new LogCollector();
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(logs);
        await app.StartAsync().DefaultTimeout();
        return new(app, logs);
    }

    /// <summary>Waits until every stage serves.</summary>
    public async Task ReadyAsync()
    {
        var stages = Services.GetRequiredService<Gateway.Stages.MeshStages>();
        foreach (var pool in stages.All.Where(x => x.IsConfigured))
        {
            while (true)
            {
                var changed = pool.Changed;
                if (pool.Replicas.Length > 0 && pool.Replicas.All(x => x.State == ReplicaState.Serving)) break;
                await changed.DefaultTimeout();
            }
        }
    }

    public async Task StopAsync()
    {
        Channel.Dispose();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token).DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
    }
}

/// <summary>What came of a Generate or Upscale call, put together.</summary>
internal sealed class Drawn
{
    public List<GenerateResponse> Events { get; } = [];

    public Accepted Accepted => Events[0].Accepted;

    public Encoded Encoded => Events.First(x => x.Encoded is not null).Encoded;

    public List<Completed> Completed => [.. Events.Where(x => x.Completed is not null).Select(x => x.Completed).OrderBy(x => x.Index)];

    public List<Failed> Failed => [.. Events.Where(x => x.Failed is not null).Select(x => x.Failed).OrderBy(x => x.Index)];

    public byte[] File(int index = 0) => Join(Events.Select(x => x.Image), index);

    public byte[] Preview(int index = 0) => Join(Events.Select(x => x.Preview), index);

    private static byte[] Join(IEnumerable<Chunk?> chunks, int index)
    {
        using var file = new MemoryStream();
        foreach (var chunk in chunks.OfType<Chunk>().Where(x => x.Index == index))
        {
            chunk.OffsetBytes.ShouldBe(file.Length);
            chunk.Data.WriteTo(file);
        }
        return file.ToArray();
    }
}

internal static class FakeCalls
{
    public static GenerateRequest Request(string prompt = "a red apple") => new() { Prompt = prompt, Seeds = { 7 } };

    /// <summary>Calls and reads to the end.</summary>
    public static async Task<Drawn> DrawAsync(this ImageService.ImageServiceClient images, GenerateRequest request, CancellationToken cancel = default)
    {
        using var call = images.Generate(request, cancellationToken: cancel);
        return await call.ReadAsync();
    }

    public static async Task<Drawn> ReadAsync(this AsyncServerStreamingCall<GenerateResponse> call)
    {
        var drawn = new Drawn();
        while (await call.ResponseStream.MoveNext(default).DefaultTimeout()) drawn.Events.Add(call.ResponseStream.Current);
        return drawn;
    }

    /// <summary>The call's fault.</summary>
    public static async Task<RpcException> FailAsync(this ImageService.ImageServiceClient images, GenerateRequest request) =>
        await Should.ThrowAsync<RpcException>(() => images.DrawAsync(request));

    /// <summary>Waits until something holds.</summary>
    public static Task UntilAsync(Func<bool> holds) => UntilAsync(() => Task.FromResult(holds()));

    /// <inheritdoc cref="UntilAsync(Func{bool})"/>
    public static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        while (!await holds()) await Task.Delay(5, limit.Token);
    }

    /// <summary>How the mesh is.</summary>
    public static async Task<GetStatusResponse> StatusAsync(this FakeGateway gateway) => await gateway.Operations.GetStatusAsync(new());
}
