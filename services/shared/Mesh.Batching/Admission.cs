namespace Mesh.Batching;

/// <summary>
/// Permits for work in flight: so many in all, so many a caller. Taking one never waits. Safe for use from several threads.
/// </summary>
/// <param name="total">Most permits out at once; at least 1.</param>
/// <param name="perCaller">Most permits out at once to one caller; at least 1.</param>
public sealed class Admission(int total, int perCaller)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _held = new(StringComparer.Ordinal);
    private readonly int _total = total >= 1 ? total : throw new ArgumentOutOfRangeException(nameof(total), total, "must be at least 1");
    private readonly int _perCaller = perCaller >= 1 ? perCaller : throw new ArgumentOutOfRangeException(nameof(perCaller), perCaller, "must be at least 1");
    private int _out;

    /// <summary>Permits out now.</summary>
    public int Out
    {
        get { lock (_gate) return _out; }
    }

    /// <summary>Takes permits for a caller, all or none; null where they are not to be had.</summary>
    /// <param name="caller">Who asks, for the limit a caller.</param>
    /// <param name="count">How many; at least 1.</param>
    /// <returns>What gives them back when disposed; disposing twice gives back once.</returns>
    public IDisposable? TryEnter(string caller, int count = 1)
    {
        ArgumentNullException.ThrowIfNull(caller);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        lock (_gate)
        {
            var held = _held.GetValueOrDefault(caller);
            if (count > _total - _out || count > _perCaller - held) return null;
            _held[caller] = held + count;
            _out += count;
        }
        return new Permit(this, caller, count);
    }

    private void Leave(string caller, int count)
    {
        lock (_gate)
        {
            _out -= count;
            if (_held[caller] == count) _held.Remove(caller);
            else _held[caller] -= count;
        }
    }

    private sealed class Permit(Admission owner, string caller, int count) : IDisposable
    {
        private Admission? _owner = owner;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Leave(caller, count);
    }
}
