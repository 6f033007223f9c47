using System.Collections.Concurrent;

namespace Mesh.Batching.Tests;

/// <summary>A device whose batches start and end when the test says so; their items go through it together.</summary>
internal sealed class Device
{
    private readonly SemaphoreSlim _gate = new(0);
    private readonly BlockingCollection<IReadOnlyList<int>> _started = [];

    public CancellationToken Unwanted { get; private set; }

    public Exception? Fault { get; set; }

    public Action Working { get; set; } = () => { };

    public void Process(string key, IBatch<int, int> batch)
    {
        Unwanted = batch.Unwanted;
        _started.Add(batch.Items, CancellationToken.None);
        if (!_gate.Wait(TimeSpan.FromSeconds(30), CancellationToken.None)) throw new TimeoutException("The test never let the batch go.");
        Working();
        if (Fault is { } fault) throw fault;
        for (var i = 0; i < batch.Items.Count; i++) batch.Complete(i, batch.Items[i] * 10);
    }

    /// <summary>Waits for the next batch to start and gives its items.</summary>
    public IReadOnlyList<int> NextBatch() => _started.TryTake(out var items, TimeSpan.FromSeconds(30)) ? items : throw new TimeoutException("No batch started.");

    /// <summary>Lets batches end.</summary>
    public void Finish(int batches = 1) => _gate.Release(batches);
}
