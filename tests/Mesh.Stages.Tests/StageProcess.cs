using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Stages.Tests;

/// <summary>A stage's service on a port that the system chose, and a channel to it. Disposing it throws when it logged errors that the test did not expect.</summary>
internal sealed class StageProcess : IAsyncDisposable
{
    private readonly WebApplication _app;

    private StageProcess(WebApplication app, LogCollector logs)
    {
        (_app, Logs) = (app, logs);
        Channel = GrpcChannel.ForAddress(app.Addresses().Grpc, new GrpcChannelOptions { MaxReceiveMessageSize = null, MaxSendMessageSize = null });
    }

    public GrpcChannel Channel { get; }

    public LogCollector Logs { get; }

    public IServiceProvider Services => _app.Services;

    public StageService.StageServiceClient Stage => new(Channel);

    /// <summary>Starts a service on the CPU.</summary>
    /// <param name="create">Such as <c>TextEncoderApp.Create</c>.</param>
    /// <param name="settings">Besides the address and the device.</param>
    public static Task<StageProcess> StartAsync(
        Func<string[], IReadOnlyDictionary<string, string?>?, WebApplication> create, params ReadOnlySpan<(string Key, string? Value)> settings)
    {
        var all = new Dictionary<string, string?> { ["Mesh:Listen:Grpc"] = "127.0.0.1:0", ["Mesh:Device:Name"] = "cpu" };
        foreach (var (key, value) in settings) all[key] = value;
        return StartAsync(create([], all));
    }

    /// <summary>The stage as it is now.</summary>
    public async Task<GetStageResponse> GetAsync() => await Stage.GetStageAsync(new GetStageRequest()).ResponseAsync.DefaultTimeout();

    /// <summary>Waits until the stage says so of its statistics.</summary>
    public async Task<StageStatistics> WhenAsync(Func<StageStatistics, bool> so)
    {
        using var end = new CancellationTokenSource(TimeoutExtensions.Default);
        while (true)
        {
            var statistics = (await GetAsync()).Statistics;
            if (so(statistics)) return statistics;
            end.Token.ThrowIfCancellationRequested();
            await Task.Delay(5, end.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await _app.StopAsync(end.Token).DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
        Logs.ThrowOnErrors();
    }

    private static async Task<StageProcess> StartAsync(WebApplication app)
    {
        var logs = new LogCollector();
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(logs);
        await app.StartAsync().DefaultTimeout();
        return new(app, logs);
    }
}

/// <summary>A stream of work to a stage: requests go out in order, answers are kept by their ids.</summary>
internal sealed class WorkCall<TRequest, TResponse>(AsyncDuplexStreamingCall<TRequest, TResponse> call) : IDisposable
{
    public Task SendAsync(TRequest request) => call.RequestStream.WriteAsync(request).DefaultTimeout();

    public Task CompleteAsync() => call.RequestStream.CompleteAsync().DefaultTimeout();

    /// <summary>The next answer.</summary>
    public async Task<TResponse> NextAsync()
    {
        (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue("the stream ended before the answer");
        return call.ResponseStream.Current;
    }

    /// <summary>Whether the stream ends without another answer.</summary>
    public async Task<bool> EndsAsync() => !await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout();

    /// <summary>The answer to one request.</summary>
    public async Task<TResponse> AskAsync(TRequest request)
    {
        await SendAsync(request);
        return await NextAsync();
    }

    public void Dispose() => call.Dispose();
}
