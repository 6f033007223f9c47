namespace Mesh.Batching;

/// <summary>How a stage queues and forms its batches.</summary>
public sealed record BatcherOptions
{
    /// <summary>Most items in one batch; at least 1.</summary>
    public int MaxBatch { get; init; } = 8;

    /// <summary>Most items that wait, running ones not counted; at least 1. One more is refused with <see cref="QueueFullException"/>.</summary>
    public int MaxQueue { get; init; } = 64;

    /// <summary>How long a free device waits for a batch to fill once an item is there; zero takes what there is.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.Zero;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBatch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxQueue, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxDelay, TimeSpan.FromMinutes(1));
    }
}
