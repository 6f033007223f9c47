using Mesh.Batching;
using Mesh.Contracts.Common.V1;

namespace Mesh.Hosting.Stages;

/// <summary>What every request of a stage's stream says of itself.</summary>
/// <param name="Id">Names the piece of work in its stream.</param>
/// <param name="Cancel">The piece of that id is not wanted any more.</param>
/// <param name="TimeoutUs">How long the answer is of use, from arrival, in microseconds; 0 for always.</param>
/// <param name="TraceParent">The trace that it belongs to, as in W3C's header; empty for none.</param>
public readonly record struct WorkHeader(long Id, bool Cancel, long TimeoutUs, string TraceParent);

/// <summary>One piece of work of a stream, while it is not finished.</summary>
public sealed class WorkItem : IDisposable
{
    private const long MostUs = 24L * 3600 * 1_000_000;

    private readonly TimeProvider _time;
    private readonly long _arrived;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancel;
    private bool _disposed;
    private volatile bool _takenBack;

    /// <param name="header">What its request said.</param>
    /// <param name="time">The clock.</param>
    public WorkItem(WorkHeader header, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (Id, _time, _arrived) = (header.Id, time, time.GetTimestamp());
        if (header.TimeoutUs is > 0 and <= MostUs)
        {
            var timeout = TimeSpan.FromMicroseconds(header.TimeoutUs);
            Deadline = time.GetUtcNow() + timeout;
            _cancel = new CancellationTokenSource(timeout, time);
        }
        else
        {
            _cancel = new CancellationTokenSource();
        }
        Cancelled = _cancel.Token;
    }

    /// <summary>Names it in its stream.</summary>
    public long Id { get; }

    /// <summary>When its answer is of no use any more; null where it always is.</summary>
    public DateTimeOffset? Deadline { get; }

    /// <summary>Cancelled when nobody wants the answer any more, or its deadline passes.</summary>
    public CancellationToken Cancelled { get; }

    /// <summary>Whether the deadline is over. Timers run a little early, so the clock alone does not tell.</summary>
    public bool IsLate => Deadline <= _time.GetUtcNow() || (Deadline is not null && Cancelled.IsCancellationRequested && !_takenBack);

    /// <summary>How long ago it arrived.</summary>
    public TimeSpan Elapsed => _time.GetElapsedTime(_arrived);

    /// <summary>The times of a piece of work that ended without a batch.</summary>
    public Timings Timings() => new() { TotalUs = Microseconds(Elapsed) };

    /// <summary>The times of a piece of work that had its turn in a batch.</summary>
    public Timings Timings<TResult>(BatchResult<TResult> result) => new()
    {
        QueueUs = Microseconds(result.Queued),
        ComputeUs = Microseconds(result.Computed),
        TotalUs = Microseconds(Elapsed),
        BatchSize = result.BatchSize,
    };

    /// <summary>A time as messages carry it.</summary>
    public static long Microseconds(TimeSpan time) => (long)time.TotalMicroseconds;

    /// <summary>Nobody wants the answer any more.</summary>
    public void Cancel()
    {
        lock (_gate)
        {
            if (_disposed || Cancelled.IsCancellationRequested) return;
            _takenBack = true;
            _cancel.Cancel();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
        }
        _cancel.Dispose();
    }
}
