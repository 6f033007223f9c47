using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Stage.V1;

namespace Mesh.Gateway.Stages;

/// <summary>How a replica is watched and waited for.</summary>
internal sealed record LinkTiming
{
    /// <summary>Between two questions for what a stage holds.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long an answer to them may take; after two that did not come the replica counts as lost.</summary>
    public TimeSpan PollTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Before the first new try after a connection was lost; doubled each time.</summary>
    public TimeSpan FirstBackOff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Most that it grows to.</summary>
    public TimeSpan MaxBackOff { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Between two looks at a name's addresses.</summary>
    public TimeSpan Resolve { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// One process of a stage: whether it serves, what it holds, how much work it has from here. Its health is watched by a stream and its
/// state asked for at intervals; a lost connection is made again with back-off.
/// </summary>
internal abstract class StageReplica : IAsyncDisposable
{
    private readonly GrpcChannel _channel;
    private readonly LinkTiming _timing;
    private readonly TimeProvider _time;
    private readonly Action _changed;
    private readonly CancellationTokenSource _stop = new();
    private readonly Health.HealthClient _health;
    private readonly Lock _gate = new();
    private Task _loops = Task.CompletedTask;
    private CancellationTokenSource _watching = new();
    private int _inFlight;
    private int _silent;

    protected StageReplica(string address, GrpcChannel channel, LinkTiming timing, TimeProvider time, Action changed)
    {
        Address = address;
        _channel = channel;
        _timing = timing;
        _time = time;
        _changed = changed;
        Calls = channel.CreateCallInvoker();
        Stage = new StageService.StageServiceClient(Calls);
        _health = new Health.HealthClient(Calls);
    }

    /// <summary>Where it listens, as configured or resolved.</summary>
    public string Address { get; }

    public ReplicaState State { get; private set; } = ReplicaState.Unreachable;

    /// <summary>What it last said of itself; null before its first answer.</summary>
    public GetStageResponse? Info { get; private set; }

    /// <summary>Why it does not answer, where it does not.</summary>
    public string Trouble { get; private set; } = "it has not answered yet";

    /// <summary>Pieces of work that it has from here.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public StageService.StageServiceClient Stage { get; }

    protected CallInvoker Calls { get; }

    public void Start() => _loops = Task.WhenAll(Task.Run(WatchAsync), Task.Run(PollAsync));

    public bool Holds(string model, string version) => Info is { } info && info.Models.Any(x => x.Model.Id == model && (version.Length == 0 || x.Model.Version == version));

    public void Reserve() => Interlocked.Increment(ref _inFlight);

    public void Release() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Asks for the replica's state now.</summary>
    /// <exception cref="RpcException">It did not answer.</exception>
    public async Task RefreshAsync(CancellationToken cancel)
    {
        var info = await Stage.GetStageAsync(new GetStageRequest(), deadline: (_time.GetUtcNow() + _timing.PollTimeout).UtcDateTime, cancellationToken: cancel).ConfigureAwait(false);
        var news = Info is not { } old || !info.Models.Equals(old.Models) || info.DefaultModel != old.DefaultModel || info.Build != old.Build || info.DeviceKind != old.DeviceKind;
        Info = info;
        _silent = 0;
        if (news) _changed();
    }

    /// <summary>Asks for the replica's state now where it can be reached; where no answer comes, <see cref="Info"/> stays as it was.</summary>
    public async Task TryRefreshAsync(CancellationToken cancel)
    {
        if (State == ReplicaState.Unreachable) return;
        try
        {
            await RefreshAsync(cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RpcException or ObjectDisposedException)
        {
            // Whether it is there is for the watch to tell.
        }
    }

    /// <summary>The connection broke under a piece of work: nothing more goes there until it has answered again.</summary>
    public void Suspect(string why)
    {
        if (_stop.IsCancellationRequested) return;
        CancellationTokenSource watching;
        lock (_gate)
        {
            if (State == ReplicaState.Unreachable) return;
            (State, Trouble) = (ReplicaState.Unreachable, why);
            watching = _watching;
        }
        Cancel(watching);
        _changed();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loops.ConfigureAwait(false);
        await CloseAsync().ConfigureAwait(false);
        _channel.Dispose();
        _watching.Dispose();
        _stop.Dispose();
    }

    /// <summary>Ends the stream of work.</summary>
    protected abstract ValueTask CloseAsync();

    /// <summary>Fails the work that a silent replica has.</summary>
    protected abstract void BreakWork();

    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The watch ended by itself meanwhile.
        }
    }

    private async Task WatchAsync()
    {
        var backOff = _timing.FirstBackOff;
        while (!_stop.IsCancellationRequested)
        {
            var (reached, trouble) = await WatchOnceAsync().ConfigureAwait(false);
            if (reached) backOff = _timing.FirstBackOff;
            SetState(ReplicaState.Unreachable, trouble);
            var wait = backOff * (0.8 + 0.4 * Random.Shared.NextDouble());
            backOff = backOff * 2 < _timing.MaxBackOff ? backOff * 2 : _timing.MaxBackOff;
            await Task.Delay(wait, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Follows the replica's health until it cannot be followed; says whether it was reached, and what ended it.</summary>
    private async Task<(bool Reached, string Trouble)> WatchOnceAsync()
    {
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        lock (_gate) _watching = watching;
        var reached = false;
        try
        {
            using var silence = new CancellationTokenSource(_timing.PollTimeout, _time);
            await using var _ = silence.Token.UnsafeRegister(static x => Cancel((CancellationTokenSource)x!), watching).ConfigureAwait(false);
            using var call = _health.Watch(new HealthCheckRequest(), cancellationToken: watching.Token);
            while (await call.ResponseStream.MoveNext(watching.Token).ConfigureAwait(false))
            {
                silence.CancelAfter(Timeout.InfiniteTimeSpan);
                reached = true;
                var serving = call.ResponseStream.Current.Status == HealthCheckResponse.Types.ServingStatus.Serving;
                await RefreshAsync(watching.Token).ConfigureAwait(false);
                watching.Token.ThrowIfCancellationRequested();
                SetState(serving ? ReplicaState.Serving : ReplicaState.NotServing, serving ? "" : "it is loading or going down");
            }
            return (reached, "it closed the connection");
        }
        catch (RpcException e)
        {
            return (reached, e.Status.Detail.Length > 0 ? e.Status.Detail : e.StatusCode.ToString());
        }
        catch (OperationCanceledException)
        {
            return (reached, reached ? Trouble : "it does not answer");
        }
        catch (Exception e) when (e is IOException or HttpRequestException or ObjectDisposedException)
        {
            return (reached, e.Message);
        }
    }

    private async Task PollAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(_timing.Poll, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_stop.IsCancellationRequested || State == ReplicaState.Unreachable) continue;
            try
            {
                await RefreshAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException or ObjectDisposedException)
            {
                // A connection that is closed ends the watch; only silence must be noticed here.
                if (_stop.IsCancellationRequested || e is not RpcException { StatusCode: StatusCode.DeadlineExceeded } || ++_silent < 2) continue;
                BreakWork();
                Suspect("it does not answer");
            }
        }
    }

    private void SetState(ReplicaState state, string trouble)
    {
        // That the gateway goes down is no news of the replica.
        if (_stop.IsCancellationRequested) return;
        lock (_gate)
        {
            var same = State == state;
            (State, Trouble) = (state, trouble);
            if (same) return;
        }
        _changed();
    }
}

/// <summary>A replica of one kind of stage, and the stream of work to it.</summary>
internal sealed class StageReplica<TRequest, TResponse>(
    StageProtocol<TRequest, TResponse> protocol, string address, GrpcChannel channel, LinkTiming timing, TimeProvider time, Action changed)
    : StageReplica(address, channel, timing, time, changed)
    where TRequest : class
    where TResponse : class
{
    private readonly Lock _opening = new();
    private WorkStream<TRequest, TResponse>? _stream;

    /// <summary>Sends a piece of work on the stream, which is opened where it is not.</summary>
    public WorkStream<TRequest, TResponse>.Work Begin(TRequest work, long timeoutUs, string traceparent)
    {
        WorkStream<TRequest, TResponse> stream;
        lock (_opening)
        {
            if (_stream is not { IsOpen: true })
            {
                _stream = new(protocol, Address, Calls);
                _ = ObserveAsync(_stream);
            }
            stream = _stream;
        }
        return stream.Begin(work, timeoutUs, traceparent);
    }

    protected override async ValueTask CloseAsync()
    {
        WorkStream<TRequest, TResponse>? stream;
        lock (_opening) stream = _stream;
        if (stream is not null) await stream.DisposeAsync().ConfigureAwait(false);
    }

    protected override void BreakWork()
    {
        lock (_opening) _stream?.Break();
    }

    private async Task ObserveAsync(WorkStream<TRequest, TResponse> stream)
    {
        var fault = await stream.Ended.ConfigureAwait(false);
        Suspect(fault.InnerException is RpcException { Status.Detail: { Length: > 0 } detail } ? detail : fault.Message);
    }
}
