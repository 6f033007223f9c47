namespace Mesh.Batching;

/// <summary>The queue holds all that it may; nothing was queued, and the same call may be made again.</summary>
public sealed class QueueFullException(int waiting, TimeSpan retryAfter)
    : Exception($"The queue is full: {waiting} items wait. Try again in {retryAfter.TotalSeconds:0.###} s.")
{
    /// <summary>When a place is likely to be free, from what batches have cost so far; at least 10 ms.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>The stage is going down and takes nothing new; another replica may.</summary>
public sealed class DrainingException() : Exception("The stage is shutting down and takes no new work.");

/// <summary>An item's deadline passed before its turn; no device time was spent on it.</summary>
public sealed class ExpiredException(TimeSpan waited) : Exception($"The deadline passed after {waited.TotalMilliseconds:0} ms in the queue.");
