using System.Net;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Peers;
using Mesh.Hosting.Telemetry;

namespace Mesh.Gateway.Stages;

/// <summary>Limits of one piece of work.</summary>
internal sealed record WorkLimits
{
    /// <summary>How many replicas a piece may lose before that is told.</summary>
    public int Tries { get; init; } = 2;

    /// <summary>How long a replica is waited for where none serves.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer, or the next of several, may take where the call has no nearer deadline.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>
/// Work for one kind of stage. A piece goes to the serving replica with fewest in flight. The work is pure, so a piece whose replica is
/// lost, or refuses it for reasons of its own, goes to another.
/// </summary>
internal sealed class StageLink<TRequest, TResponse>(
    StageProtocol<TRequest, TResponse> protocol, IReadOnlyList<MeshEndpoint> endpoints, PeerChannels peers, LinkTiming timing, WorkLimits limits,
    GatewayMetrics metrics, TimeProvider time)
    : StagePool(protocol.Stage, endpoints, timing, time)
    where TRequest : class
    where TResponse : class
{
    private const string VersionReason = Hosting.Stages.StageFaults.VersionReason;
    private const int MostRefusals = 8;

    // Timers may fire that much early.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(20);

    private readonly Lock _picking = new();
    private int _turn;

    /// <summary>Sends a piece of work that has one answer.</summary>
    /// <param name="work">The work, without id, time-out and trace.</param>
    /// <param name="model">What the replica must hold; an empty version: any.</param>
    /// <param name="deadline">When the answer is of no use any more; null: never.</param>
    /// <param name="cancel">Takes the work back.</param>
    /// <exception cref="MeshException">The stage refused it, cannot be reached, or took too long.</exception>
    public async Task<StageAnswer<TResponse>> SendAsync(TRequest work, ModelRef model, DateTimeOffset? deadline, CancellationToken cancel)
    {
        await foreach (var answer in StreamAsync(work, model, deadline, cancel).ConfigureAwait(false)) return answer;
        throw StageFaults.Unavailable(Stage, "it answered nothing");
    }

    /// <summary>Sends a piece of work that has several answers. Where it is tried again, its answers come again from the first.</summary>
    /// <inheritdoc cref="SendAsync" path="/param|/exception"/>
    public async IAsyncEnumerable<StageAnswer<TResponse>> StreamAsync(
        TRequest work, ModelRef model, DateTimeOffset? deadline, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(NextLimit(deadline), Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, limit.Token);
        var refused = new List<(StageReplica Replica, Exception Why)>();
        while (true)
        {
            var replica = await PickAsync(model, refused, deadline, either.Token, cancel).ConfigureAwait(false);
            await using var answers = AskAsync(replica, work, deadline, either.Token).GetAsyncEnumerator(either.Token);
            while (true)
            {
                StageAnswer<TResponse>? answer = null;
                try
                {
                    if (!await answers.MoveNextAsync().ConfigureAwait(false)) yield break;
                    answer = answers.Current;
                }
                catch (Exception e) when (MayTryAgain(e, replica, refused))
                {
                    metrics.Retried(Stage);
                    refused.Add((replica, e));
                    // Nothing goes there again before it has answered anew what it is and holds.
                    if (e is not MeshException { Code: StatusCode.ResourceExhausted }) replica.Suspect(e.Message);
                }
                catch (ReplicaLostException e)
                {
                    throw StageFaults.Unavailable(Stage, e.Message);
                }
                catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancel.IsCancellationRequested)
                {
                    throw StageFaults.TimedOut(Stage, IsNear(deadline));
                }
                if (answer is null) break;
                yield return answer;
                limit.CancelAfter(NextLimit(deadline));
            }
        }
    }

    protected override StageReplica Create(string name, MeshEndpoint endpoint, IPAddress? address, Action changed) =>
        new StageReplica<TRequest, TResponse>(protocol, name, peers.Create(endpoint, address), Timing, Time, changed);

    /// <summary>
    /// Whether the cause lies with one replica. One that is gone may have been brought down by this very piece, so that is not tried
    /// often; one that says that it is going down, or holds another version by now, is harmless.
    /// </summary>
    private bool MayTryAgain(Exception fault, StageReplica from, List<(StageReplica Replica, Exception Why)> refused) => fault switch
    {
        ReplicaLostException => refused.Count(x => x.Why is ReplicaLostException) + 1 < limits.Tries,
        MeshException { Code: StatusCode.Unavailable } or MeshException { Reason: VersionReason } => refused.Count < MostRefusals,
        MeshException { Code: StatusCode.ResourceExhausted } =>
            refused.Count < MostRefusals && Replicas.Any(x => x != from && x.State == ReplicaState.Serving && refused.All(y => y.Replica != x)),
        _ => false,
    };

    /// <summary>Whether it was the deadline that came: it is over, or closer than any limit of ours could be.</summary>
    private bool IsNear(DateTimeOffset? deadline) => deadline - Time.GetUtcNow() < Tolerance;

    private TimeSpan NextLimit(DateTimeOffset? deadline)
    {
        var left = deadline - Time.GetUtcNow();
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < limits.Time ? left.Value : limits.Time;
    }

    private async IAsyncEnumerable<StageAnswer<TResponse>> AskAsync(
        StageReplica<TRequest, TResponse> replica, TRequest work, DateTimeOffset? deadline, [EnumeratorCancellation] CancellationToken cancel)
    {
        var started = Time.GetTimestamp();
        var outcome = "lost";
        try
        {
            var timeout = deadline is { } end ? Math.Max(1, (long)(end - Time.GetUtcNow()).TotalMicroseconds) : 0;
            using var item = replica.Begin(work, timeout, TraceContext.Current);
            while (true)
            {
                var answer = await item.NextAsync(cancel).ConfigureAwait(false);
                if (protocol.FailureOf(answer) is { } failure)
                {
                    outcome = "failed";
                    throw StageFaults.Of(failure, Stage);
                }
                var last = protocol.IsLast(answer);
                if (last) outcome = "ok";
                yield return new(answer, replica);
                if (last) yield break;
            }
        }
        finally
        {
            if (cancel.IsCancellationRequested) outcome = "cancelled";
            replica.Release();
            metrics.Worked(Stage, outcome, Time.GetElapsedTime(started));
        }
    }

    /// <summary>Reserves a place at the best replica, waiting for one where none serves.</summary>
    private async Task<StageReplica<TRequest, TResponse>> PickAsync(
        ModelRef model, List<(StageReplica Replica, Exception Why)> refused, DateTimeOffset? deadline, CancellationToken cancel, CancellationToken caller)
    {
        var start = Time.GetUtcNow();
        while (true)
        {
            var changed = Changed;
            if (TryPick(model, refused) is { } replica) return replica;
            // Waiting does not bring an old version back.
            if (refused.Any(x => x.Why is MeshException { Reason: VersionReason }) && Replicas.Any(x => x.State == ReplicaState.Serving && x.Holds(model.Id, ""))) throw StageFaults.Unavailable(Stage, Why());
            var left = start + limits.Wait - Time.GetUtcNow();
            if (left <= TimeSpan.Zero) throw StageFaults.Unavailable(Stage, Why());
            try
            {
                await changed.WaitAsync(left, Time, cancel).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // One last look, and then it is told.
            }
            catch (OperationCanceledException) when (!caller.IsCancellationRequested)
            {
                throw StageFaults.TimedOut(Stage, IsNear(deadline));
            }
        }
    }

    private StageReplica<TRequest, TResponse>? TryPick(ModelRef model, List<(StageReplica Replica, Exception Why)> refused)
    {
        var serving = Replicas.Where(x => x.State == ReplicaState.Serving && x.Holds(model.Id, model.Version)).ToList();
        // One that has refused this piece is asked again only if it was lost and came back, or where there is no other.
        var others = serving.Where(x => refused.All(y => y.Replica != x)).ToList();
        var fit = others.Count > 0 ? others : serving;
        if (fit.Count == 0) return null;
        lock (_picking)
        {
            // Those that have as much take turns.
            var turn = (int)((uint)++_turn % (uint)fit.Count);
            var best = Enumerable.Range(0, fit.Count).Select(i => fit[(turn + i) % fit.Count]).MinBy(x => x.InFlight)!;
            best.Reserve();
            return (StageReplica<TRequest, TResponse>)best;
        }
    }

    private string Why()
    {
        var replicas = Replicas;
        return replicas.IsEmpty
            ? "no replica is known"
            : string.Join("; ", replicas.Select(x => $"{x.Address}: {(x.State == ReplicaState.Serving ? "it does not hold what is asked for" : x.Trouble)}"));
    }
}

/// <summary>What one replica answered.</summary>
internal sealed record StageAnswer<TResponse>(TResponse Value, StageReplica Replica);
