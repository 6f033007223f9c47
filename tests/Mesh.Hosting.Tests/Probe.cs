using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Listening;
using Mesh.Hosting.Peers;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Mesh.Hosting.Tests;

/// <summary>A running <see cref="ProbeApp"/> with a channel to it. Disposing it throws when it logged errors that the test did not expect.</summary>
internal sealed class Probe : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Probe(WebApplication app, LogCollector logs, GrpcChannel channel, HttpClient http) => (_app, Logs, Channel, Http) = (app, logs, channel, http);

    public LogCollector Logs { get; }

    public GrpcChannel Channel { get; }

    public HttpClient Http { get; }

    public WebApplication App => _app;

    public IServiceProvider Services => _app.Services;

    public ServiceAddresses Addresses => _app.Addresses();

    public StageService.StageServiceClient Stage => new(Channel);

    public static Task<Probe> StartAsync(Func<ServerCallContext, Task>? behaviour = null, params (string Key, string? Value)[] settings) =>
        StartAsync(behaviour, _ => { }, new PeerOptions(), settings);

    public static async Task<Probe> StartAsync(
        Func<ServerCallContext, Task>? behaviour, Action<WebApplicationBuilder> configure, PeerOptions peer, params (string Key, string? Value)[] settings)
    {
        var logs = new LogCollector();
        var app = ProbeApp.Create([], settings.ToDictionary(x => x.Key, x => x.Value), behaviour, builder =>
        {
            builder.Logging.AddProvider(logs);
            configure(builder);
        });
        await app.StartAsync().DefaultTimeout();
        var channel = Peers(peer).Create(MeshEndpoint.Parse(app.Addresses().Grpc.Replace("https://127.0.0.1", "https://localhost", StringComparison.Ordinal)));
        return new Probe(app, logs, channel, new HttpClient { BaseAddress = new Uri(app.Addresses().Http ?? "http://nowhere") });
    }

    public static PeerChannels Peers(PeerOptions? options = null) => new(Options.Create(options ?? new PeerOptions()), NullLoggerFactory.Instance);

    /// <summary>Stops it as SIGTERM does.</summary>
    public Task StopAsync(CancellationToken cut = default) => _app.StopAsync(cut);

    public async Task<GetStageResponse> CallAsync(Metadata? headers = null) => await Stage.GetStageAsync(new GetStageRequest(), headers).ResponseAsync.DefaultTimeout();

    /// <summary>Waits for a write on a call that the server ends: the end may come before the write is done, which then tells the end.</summary>
    public static async Task SentOrTooLateAsync(Task write)
    {
        try
        {
            await write.DefaultTimeout();
        }
        catch (RpcException)
        {
            // The reading side has asserted the status.
        }
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        Http.Dispose();
        await StopAsync().DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
        Logs.ThrowOnErrors();
    }
}
