using System.Collections.Concurrent;

namespace Mesh.Batching.Tests;

/// <summary>A device whose items take turns, which start and end when the test says so.</summary>
internal sealed class TurnDevice
{
    private readonly SemaphoreSlim _gate = new(0);
    private readonly BlockingCollection<int> _started = [];

    public CancellationToken Unwanted { get; private set; }

    /// <summary>Runs on the device within every turn, before the item ends.</summary>
    public Action<int> Working { get; set; } = _ => { };

    /// <summary>Runs on the device before the first turn of a batch.</summary>
    public Action Preparing { get; set; } = () => { };

    public void Process(string key, IBatch<int, int> batch)
    {
        Unwanted = batch.Unwanted;
        Preparing();
        batch.Each(item =>
        {
            _started.Add(item);
            if (!_gate.Wait(TimeSpan.FromSeconds(30))) throw new TimeoutException("The test never let the item go.");
            Working(item);
            return item * 10;
        });
    }

    /// <summary>Waits for the next item's turn.</summary>
    public int NextItem() => _started.TryTake(out var item, TimeSpan.FromSeconds(30)) ? item : throw new TimeoutException("No item had its turn.");

    /// <summary>Lets items end.</summary>
    public void Finish(int items = 1) => _gate.Release(items);
}
