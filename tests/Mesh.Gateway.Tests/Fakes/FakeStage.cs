using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;
using Status = Google.Rpc.Status;

namespace Mesh.Gateway.Tests.Fakes;

/// <summary>
/// A stage as its proto describes it, on a real server, that does as the test says: its answers depend on nothing but the request,
/// and can be held back, refused, or cut off with the whole process.
/// </summary>
internal abstract class FakeStage<TRequest, TResponse> : IAsyncDisposable
    where TRequest : class
    where TResponse : class
{
    private readonly HealthServiceImpl _health = new();
    private readonly ConcurrentQueue<Status> _refusals = new();
    private TaskCompletionSource? _hold;
    private volatile bool _silent;
    private TestServer? _server;
    private int _port;
    private int _running;
    private long _received, _cancelled, _finished, _loads, _unloads;

    protected FakeStage(string stage, params StageModel[] models)
    {
        Info = new() { Stage = stage, Device = "cpu", DeviceKind = "cpu fake", Build = "fake 1", CapacityPerS = 10, DefaultModel = models.FirstOrDefault()?.Model.Id ?? "" };
        Info.Models.AddRange(models);
    }

    /// <summary>What it says of itself.</summary>
    public GetStageResponse Info { get; }

    /// <summary>Pieces of work that came, in order.</summary>
    public ConcurrentQueue<TRequest> Requests { get; } = new();

    public long Received => Interlocked.Read(ref _received);

    public long Cancelled => Interlocked.Read(ref _cancelled);

    public long Finished => Interlocked.Read(ref _finished);

    public long Loads => Interlocked.Read(ref _loads);

    public long Unloads => Interlocked.Read(ref _unloads);

    public int Running => Volatile.Read(ref _running);

    public string Endpoint => $"http://127.0.0.1:{_port}";

    public TestServer Server => _server!;

    public async Task StartAsync()
    {
        _health.SetStatus("", ServingStatus.Serving);
        _server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc(options => (options.MaxReceiveMessageSize, options.MaxSendMessageSize) = (null, null));
                builder.Services.AddSingleton<Health.HealthBase>(_health);
                builder.Services.AddSingleton(_health);
                builder.Services.AddSingleton(new StageImpl(Info, () => _silent, () => Interlocked.Increment(ref _loads), () => Interlocked.Increment(ref _unloads)));
                Register(builder.Services);
            },
            app =>
            {
                app.MapGrpcService<HealthServiceImpl>();
                app.MapGrpcService<StageImpl>();
                Map(app);
            },
            _port);
        // Calls are cut off in the midst of things here, and whatever runs then may say so.
        _server.Logs.Expect(_ => true);
        _port = _server.Port();
    }

    /// <summary>Ends it as kill -9 would: connections are reset, nothing is answered.</summary>
    public async Task KillAsync()
    {
        await _server!.StopAsync(TimeSpan.Zero);
        await _server.DisposeAsync();
        _server = null;
    }

    /// <summary>Lets pieces of work wait until <see cref="Release"/>.</summary>
    public void Hold() => _hold = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release()
    {
        var hold = _hold;
        _hold = null;
        hold?.TrySetResult();
    }

    /// <summary>The next piece of work is answered with this instead.</summary>
    public void RefuseNext(StatusCode code, string message, params Google.Protobuf.WellKnownTypes.Any[] details)
    {
        var status = new Status { Code = (int)code, Message = message };
        status.Details.AddRange(details);
        _refusals.Enqueue(status);
    }

    /// <summary>Answers no question any more, and closes nothing.</summary>
    public void FallSilent() => _silent = true;

    public void SetServing(bool serving) => _health.SetStatus("", serving ? ServingStatus.Serving : ServingStatus.NotServing);

    public async ValueTask DisposeAsync()
    {
        Release();
        if (_server is not null) await KillAsync();
    }

    protected static StageModel Model(string id, string version) => new() { Model = new ModelRef { Id = id, Version = version }, Loaded = true, MemoryBytes = 1000, Numerics = "float32" };

    protected abstract void Register(IServiceCollection services);

    protected abstract void Map(WebApplication app);

    protected abstract (long Id, bool Cancel) Read(TRequest request);

    protected abstract TResponse Refuse(long id, Status failure);

    protected abstract IEnumerable<TResponse> Answer(TRequest request);

    /// <summary>The stage's stream, as the protos describe it.</summary>
    protected async Task ServeAsync(IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> answers, ServerCallContext context)
    {
        using var writing = new SemaphoreSlim(1);
        var items = new ConcurrentDictionary<long, CancellationTokenSource>();
        var tasks = new List<Task>();
        while (await requests.MoveNext(context.CancellationToken))
        {
            var request = requests.Current;
            var (id, cancel) = Read(request);
            if (cancel)
            {
                if (items.TryRemove(id, out var item))
                {
                    Interlocked.Increment(ref _cancelled);
                    await item.CancelAsync();
                }
                continue;
            }
            var source = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
            items[id] = source;
            tasks.Add(WorkAsync(request, id, items, answers, writing, source.Token));
        }
        await Task.WhenAll(tasks);
    }

    private async Task WorkAsync(
        TRequest request, long id, ConcurrentDictionary<long, CancellationTokenSource> items, IServerStreamWriter<TResponse> answers, SemaphoreSlim writing, CancellationToken cancel)
    {
        Interlocked.Increment(ref _running);
        Requests.Enqueue(request);
        Interlocked.Increment(ref _received);
        try
        {
            if (_hold is { } hold) await hold.Task.WaitAsync(cancel);
            var given = _refusals.TryDequeue(out var refusal) ? [Refuse(id, refusal)] : Answer(request);
            foreach (var answer in given)
            {
                await writing.WaitAsync(cancel);
                try
                {
                    await answers.WriteAsync(answer, cancel);
                }
                finally
                {
                    writing.Release();
                }
            }
            Interlocked.Increment(ref _finished);
        }
        catch (Exception e) when (e is OperationCanceledException or InvalidOperationException or IOException or ObjectDisposedException)
        {
            // Cancelled, or the connection is gone: nobody is left to be told.
        }
        finally
        {
            items.TryRemove(id, out _);
            Interlocked.Decrement(ref _running);
        }
    }
}

/// <summary>mesh.stage.v1 of a fake.</summary>
internal sealed class StageImpl(GetStageResponse info, Func<bool> silent, Action loaded, Action unloaded) : StageService.StageServiceBase
{
    public override async Task<GetStageResponse> GetStage(GetStageRequest request, ServerCallContext context)
    {
        if (silent()) await Task.Delay(Timeout.Infinite, context.CancellationToken);
        return info.Clone();
    }

    public override Task<LoadModelResponse> LoadModel(LoadModelRequest request, ServerCallContext context)
    {
        loaded();
        return Task.FromResult(new LoadModelResponse { Model = info.Models.First(x => x.Model.Id == request.Model.Id) });
    }

    public override Task<UnloadModelResponse> UnloadModel(UnloadModelRequest request, ServerCallContext context)
    {
        unloaded();
        return Task.FromResult(new UnloadModelResponse());
    }
}
