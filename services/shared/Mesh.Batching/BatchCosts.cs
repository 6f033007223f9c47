namespace Mesh.Batching;

/// <summary>
/// What a batch of each size costs on this device: an exponential mean of what was measured. Sizes never seen are estimated
/// on the line between their neighbours. Safe for use from several threads.
/// </summary>
public sealed class BatchCosts
{
    private const double Newest = 0.2;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, double> _seconds = [];

    /// <summary>Adds a measurement.</summary>
    /// <param name="size">Items in the batch; at least 1.</param>
    /// <param name="elapsed">Its time on the device.</param>
    public void Add(int size, TimeSpan elapsed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        lock (_gate)
        {
            var now = elapsed.TotalSeconds;
            _seconds[size] = _seconds.TryGetValue(size, out var mean) ? mean + Newest * (now - mean) : now;
        }
    }

    /// <summary>The expected time of a batch, or null where nothing has been measured.</summary>
    public TimeSpan? Estimate(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        lock (_gate)
        {
            if (_seconds.Count == 0) return null;
            if (_seconds.TryGetValue(size, out var exact)) return TimeSpan.FromSeconds(exact);
            var below = _seconds.LastOrDefault(x => x.Key < size);
            var above = _seconds.FirstOrDefault(x => x.Key > size);
            if (below.Key == 0) return TimeSpan.FromSeconds(above.Value);
            if (above.Key == 0) return TimeSpan.FromSeconds(below.Value * size / below.Key);
            var share = (double)(size - below.Key) / (above.Key - below.Key);
            return TimeSpan.FromSeconds(below.Value + share * (above.Value - below.Value));
        }
    }

    /// <summary>The measured means by batch size, smallest first.</summary>
    public IReadOnlyList<(int Size, TimeSpan Mean)> Measured()
    {
        lock (_gate) return [.. _seconds.Select(x => (x.Key, TimeSpan.FromSeconds(x.Value)))];
    }

    /// <summary>Most items a second that any measured size reaches, or 0 where nothing has been measured.</summary>
    public double Capacity()
    {
        lock (_gate) return _seconds.Where(x => x.Value > 0).Select(x => x.Key / x.Value).DefaultIfEmpty().Max();
    }
}
