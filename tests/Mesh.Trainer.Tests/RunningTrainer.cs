using Google.LongRunning;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Trainer.Tests;

/// <summary>A trainer in this process, on a real socket. Disposing it throws when it logged errors.</summary>
internal sealed class RunningTrainer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly GrpcChannel _channel;
    private readonly LogCollector _logs;
    private bool _stopped;

    private RunningTrainer(WebApplication app, LogCollector logs, GrpcChannel channel)
    {
        (_app, _logs, _channel) = (app, logs, channel);
        Jobs = new TrainerService.TrainerServiceClient(channel);
        Operations = new Operations.OperationsClient(channel);
    }

    public TrainerService.TrainerServiceClient Jobs { get; }

    public Operations.OperationsClient Operations { get; }

    /// <summary>Host and port.</summary>
    public string Authority => new Uri(_app.Addresses().Grpc).Authority;

    public static async Task<RunningTrainer> StartAsync(string root, string? redis, params (string Key, string? Value)[] settings)
    {
        var all = new Dictionary<string, string?> { ["Mesh:Trainer:Root"] = root, ["Mesh:Trainer:Redis"] = redis, ["Mesh:Listen:Grpc"] = "127.0.0.1:0", ["Mesh:Device:Name"] = "cpu" };
        foreach (var (key, value) in settings) all[key] = value;
        var (app, logs) = (TrainerApp.Create([], all), new LogCollector());
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(logs);
        await app.StartAsync().DefaultTimeout();
        return new RunningTrainer(app, logs, GrpcChannel.ForAddress(app.Addresses().Grpc));
    }

    public async Task<Job> SubmitAsync(string kind, string specification, int shards = 0) =>
        (await Jobs.SubmitJobAsync(new SubmitJobRequest { Kind = kind, Specification = Workshop.Read(specification), Shards = shards }).ResponseAsync.DefaultTimeout()).Job;

    public async Task<Job> GetAsync(string id) => (await Jobs.GetJobAsync(new GetJobRequest { Id = id }).ResponseAsync.DefaultTimeout()).Job;

    /// <summary>A job's events until it is over, or until one that is looked for came.</summary>
    public Task<List<WatchJobResponse>> WatchAsync(string id, Func<WatchJobResponse, bool>? until = null, long first = 0, bool pictures = false) => WatchAsync(Jobs, id, until, first, pictures);

    public static async Task<List<WatchJobResponse>> WatchAsync(
        TrainerService.TrainerServiceClient jobs, string id, Func<WatchJobResponse, bool>? until = null, long first = 0, bool pictures = false)
    {
        using var call = jobs.WatchJob(new WatchJobRequest { Id = id, FirstEvent = first, Pictures = pictures });
        var events = new List<WatchJobResponse>();
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            events.Add(call.ResponseStream.Current);
            if (until?.Invoke(events[^1]) == true) return events;
        }
        return until is null ? events : throw new InvalidOperationException($"The job ended before that: {string.Join("\n", events)}");
    }

    /// <summary>Runs a job to its end; it must succeed.</summary>
    public async Task<Job> DoAsync(string kind, string specification, int shards = 0)
    {
        var job = await SubmitAsync(kind, specification, shards);
        await WatchAsync(job.Id);
        var done = await GetAsync(job.Id);
        done.State.ShouldBe(JobState.Succeeded, done.Error?.Message);
        return done;
    }

    /// <summary>As on SIGTERM.</summary>
    public async Task StopAsync()
    {
        if (_stopped) return;
        _stopped = true;
        _channel.Dispose();
        await _app.StopAsync().DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _logs.ThrowOnErrors();
    }

    /// <summary>What a call is refused with.</summary>
    public static async Task<RpcException> RefusedAsync(Func<Task> call) => await Should.ThrowAsync<RpcException>(() => call().DefaultTimeout());
}
