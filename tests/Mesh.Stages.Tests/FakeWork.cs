using Mesh.Batching;
using Mesh.Hosting.Stages;
using Mesh.Testing;

namespace Mesh.Stages.Tests;

/// <summary>A stage whose batches a test holds on the device and lets go.</summary>
internal sealed class FakeWork : IStageWork<FakeModel, int, string, string>
{
    private readonly SemaphoreSlim _begun = new(0);
    private readonly SemaphoreSlim _mayEnd = new(0);
    private readonly Lock _gate = new();
    private readonly List<(int Key, IReadOnlyList<string> Items)> _batches = [];

    public string Stage => "fake";

    /// <summary>Whether batches wait for <see cref="EndOne"/>.</summary>
    public bool Holds { get; set; }

    /// <summary>The models that batches ran on after they had been freed; must stay empty.</summary>
    public bool RanOnFreed { get; private set; }

    /// <summary>Whether the last batch was told that nobody wants it.</summary>
    public bool WasUnwanted { get; private set; }

    public int Rehearsals { get; private set; }

    public IReadOnlyList<(int Key, IReadOnlyList<string> Items)> Batches
    {
        get { lock (_gate) return [.. _batches]; }
    }

    /// <summary>Waits until another batch is on the device.</summary>
    public Task BegunAsync() => _begun.WaitAsync().DefaultTimeout();

    /// <summary>Lets one held batch end.</summary>
    public void EndOne() => _mayEnd.Release();

    public void Run(FakeModel model, FakeModel? companion, int key, IBatch<string, string> batch)
    {
        var items = batch.Items;
        if (items[0] == "rehearsal")
        {
            Thread.SpinWait(1000 * items.Count); // so that it costs something
            return;
        }
        lock (_gate) _batches.Add((key, items));
        _begun.Release();
        if (Holds)
        {
            _mayEnd.Wait(TimeoutExtensions.Default, CancellationToken.None).ShouldBeTrue(); // whether it is wanted or not
            WasUnwanted = batch.Unwanted.IsCancellationRequested;
        }
        RanOnFreed |= model.IsFreed || companion?.IsFreed == true;
        for (var i = 0; i < items.Count; i++) batch.Complete(i, $"{model.Id}{model.Version}:{items[i]}");
    }

    public Rehearsal<int, string> Rehearse(FakeModel model, int size)
    {
        Rehearsals++;
        return new(0, [.. Enumerable.Repeat("rehearsal", size)], Weight: 2);
    }
}
