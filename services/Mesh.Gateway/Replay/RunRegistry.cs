using System.Runtime.CompilerServices;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Replay;

/// <summary>A call that was admitted and is about to begin.</summary>
/// <param name="Accepted">Its first event.</param>
/// <param name="Permit">Given back when it has ended.</param>
/// <param name="Work">Does it; says whether all of it succeeded.</param>
internal sealed record PreparedRun(Accepted Accepted, IDisposable Permit, Func<RunEvents, CancellationToken, Task<bool>> Work);

/// <summary>
/// The calls on their way. A call whose request id is on its way already joins that one, one whose result is kept gets that, any other
/// begins. A run goes on for as long as somebody reads it.
/// </summary>
internal sealed class RunRegistry(ReplayStore store, GatewayMetrics metrics, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Run> _named = new(StringComparer.Ordinal);
    private readonly HashSet<Run> _all = [];

    /// <summary>Calls on their way.</summary>
    public int Running
    {
        get { lock (_gate) return _all.Count; }
    }

    /// <summary>The events of a call from the first to the last, numbered for this reader.</summary>
    /// <param name="identity">Null: nobody else may read it.</param>
    /// <param name="prepare">Admits and plans the call; what it throws is the call's fault.</param>
    /// <param name="cancel">Ends this reader.</param>
    public async IAsyncEnumerable<GenerateResponse> FollowAsync(
        RunIdentity? identity, Func<CancellationToken, Task<PreparedRun>> prepare, [EnumeratorCancellation] CancellationToken cancel)
    {
        var (run, reader, joined) = Open(identity, prepare);
        try
        {
            var sequence = 0L;
            var elapsed = 0L;
            await foreach (var item in reader.ReadAsync(cancel).ConfigureAwait(false))
            {
                elapsed = Math.Max(elapsed, item.ElapsedUs);
                yield return Numbered(item, ++sequence, elapsed, joined || run.IsReplay);
            }
        }
        finally
        {
            reader.Dispose();
            Leave(run);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Run[] runs;
        lock (_gate) runs = [.. _all];
        foreach (var run in runs) await run.Stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(runs.Select(x => x.Work)).ConfigureAwait(false);
    }

    private static GenerateResponse Numbered(GenerateResponse item, long sequence, long elapsed, bool replayed)
    {
        var copy = new GenerateResponse { Sequence = sequence, ElapsedUs = elapsed };
        switch (item.EventCase)
        {
            case GenerateResponse.EventOneofCase.Accepted: copy.Accepted = replayed ? new(item.Accepted) { Replayed = true } : item.Accepted; break;
            case GenerateResponse.EventOneofCase.Encoded: copy.Encoded = item.Encoded; break;
            case GenerateResponse.EventOneofCase.Preview: copy.Preview = item.Preview; break;
            case GenerateResponse.EventOneofCase.Image: copy.Image = item.Image; break;
            case GenerateResponse.EventOneofCase.Tile: copy.Tile = item.Tile; break;
            case GenerateResponse.EventOneofCase.Completed: copy.Completed = item.Completed; break;
            case GenerateResponse.EventOneofCase.Failed: copy.Failed = item.Failed; break;
        }
        return copy;
    }

    private static MeshException Reused() => new(
        StatusCode.AlreadyExists, "REQUEST_ID_REUSED", "request_id: was used for another request; take a new UUID for each new request, and the same one only to repeat a call.",
        new Google.Rpc.BadRequest { FieldViolations = { new Google.Rpc.BadRequest.Types.FieldViolation { Field = "request_id", Description = "was used for another request" } } });

    private (Run Run, EventLog<GenerateResponse>.Reader Reader, bool Joined) Open(RunIdentity? identity, Func<CancellationToken, Task<PreparedRun>> prepare)
    {
        lock (_gate)
        {
            if (identity is not null && _named.TryGetValue(identity.Key, out var known))
            {
                if (!known.Identity!.Fingerprint.AsSpan().SequenceEqual(identity.Fingerprint)) throw Reused();
                if (known.Events.Log.TryRead() is not { } joining)
                    throw MeshException.Unavailable("REQUEST_IN_PROGRESS", "A call with this request_id is on its way, and too large to be followed by a second one. Try again when it has ended.", Retry);
                known.Readers++;
                metrics.Replayed("joined");
                return (known, joining, true);
            }
            var run = new Run(identity, new(identity is null ? 0 : store.KeepBytes, time));
            var reader = run.Events.Log.TryRead()!;
            run.Readers = 1;
            if (identity is not null) _named[identity.Key] = run;
            _all.Add(run);
            run.Work = Task.Run(() => ExecuteAsync(run, prepare));
            return (run, reader, false);
        }
    }

    private void Leave(Run run)
    {
        lock (_gate)
        {
            if (--run.Readers > 0) return;
            Forget(run);
        }
        run.Stop.Cancel();
    }

    /// <summary>Under the gate: nobody may join it any more.</summary>
    private void Forget(Run run)
    {
        if (run.Identity is { } identity && _named.GetValueOrDefault(identity.Key) == run) _named.Remove(identity.Key);
    }

    private async Task ExecuteAsync(Run run, Func<CancellationToken, Task<PreparedRun>> prepare)
    {
        Exception? fault = null;
        try
        {
            if (!await ReplayAsync(run).ConfigureAwait(false)) await WorkAsync(run, prepare).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever ended the run is told to its readers, each of whom throws it on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e;
        }
        lock (_gate)
        {
            Forget(run);
            _all.Remove(run);
        }
        run.Events.Log.End(fault);
    }

    private async Task<bool> ReplayAsync(Run run)
    {
        if (run.Identity is not { } identity || await store.FindAsync(identity, run.Stop.Token).ConfigureAwait(false) is not { } stored) return false;
        if (!stored.Fingerprint.AsSpan().SequenceEqual(identity.Fingerprint)) throw Reused();
        metrics.Replayed("stored");
        run.IsReplay = true;
        foreach (var item in stored.Events) await run.Events.AddAsync(item, run.Stop.Token).ConfigureAwait(false);
        return true;
    }

    private async Task WorkAsync(Run run, Func<CancellationToken, Task<PreparedRun>> prepare)
    {
        var prepared = await prepare(run.Stop.Token).ConfigureAwait(false);
        bool whole;
        using (prepared.Permit)
        {
            await run.Events.AddAsync(new() { Accepted = prepared.Accepted }, run.Stop.Token).ConfigureAwait(false);
            whole = await prepared.Work(run.Events, run.Stop.Token).ConfigureAwait(false);
        }
        if (whole && run.Identity is { } identity && run.Events.Log.All() is { } events) await store.KeepAsync(identity, events, run.Stop.Token).ConfigureAwait(false);
    }

    /// <summary>One call on its way, and those who read it.</summary>
    private sealed class Run(RunIdentity? identity, RunEvents events)
    {
        public RunIdentity? Identity { get; } = identity;

        public RunEvents Events { get; } = events;

        // Not disposed: it has no timer and no wait handle, and readers may leave after the run has ended.
        public CancellationTokenSource Stop { get; } = new();

        public Task Work { get; set; } = Task.CompletedTask;

        public int Readers { get; set; }

        public bool IsReplay { get; set; }
    }
}
