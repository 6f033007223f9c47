namespace Mesh.Batching;

/// <summary>What became of one item.</summary>
/// <param name="Value">What the device made of it.</param>
/// <param name="Queued">Time from submission to its own turn; to the start of its batch where the items have no turns.</param>
/// <param name="Computed">Time from there to its result.</param>
/// <param name="BatchSize">How many items shared the batch, itself counted.</param>
public readonly record struct BatchResult<TResult>(TResult Value, TimeSpan Queued, TimeSpan Computed, int BatchSize);

/// <summary>Counters of one batcher since it was made, read at one moment.</summary>
/// <param name="Waiting">Items in the queue.</param>
/// <param name="Running">Items of the batch on the device that have not ended.</param>
/// <param name="Completed">Items that gave a result somebody wanted.</param>
/// <param name="Failed">Items that threw, or whose batch did.</param>
/// <param name="Cancelled">Items cancelled before or while they ran.</param>
/// <param name="Expired">Items whose deadline passed before their turn.</param>
/// <param name="Refused">Items refused because the queue was full.</param>
/// <param name="Batches">Batches run.</param>
/// <param name="Busy">Device time of all batches.</param>
/// <param name="Wasted">The share of <paramref name="Busy"/> that went into items cancelled while they ran; one cancelled before its turn costs nothing.</param>
public readonly record struct BatcherStatistics(
    int Waiting, int Running, long Completed, long Failed, long Cancelled, long Expired, long Refused, long Batches, TimeSpan Busy, TimeSpan Wasted);
