namespace Mesh.Hosting.Health;

/// <summary>
/// Whether the service can be asked. It is ready once nothing is missing: each part that must come up first (weights loaded, warmed)
/// is named before the start, and opened when it is there. Safe for use from several threads.
/// </summary>
public sealed class Readiness
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, string> _missing = new(StringComparer.Ordinal);
    private Action<IReadOnlyDictionary<string, string>>? _follower;

    /// <summary>Whether nothing is missing.</summary>
    public bool IsReady
    {
        get { lock (_gate) return _missing.Count == 0; }
    }

    /// <summary>What is missing: names, each with why.</summary>
    public IReadOnlyDictionary<string, string> Missing
    {
        get { lock (_gate) return Copy(); }
    }

    /// <summary>Names something that must be there first, or that is there no more.</summary>
    /// <param name="name">What, such as <c>model emoji</c>.</param>
    /// <param name="why">Why it is not there, for /readyz.</param>
    public void Close(string name, string why)
    {
        lock (_gate)
        {
            if (_missing.TryGetValue(name, out var before) && before == why) return;
            _missing[name] = why;
            _follower?.Invoke(Copy());
        }
    }

    /// <summary>It is there.</summary>
    public void Open(string name)
    {
        lock (_gate)
        {
            if (_missing.Remove(name)) _follower?.Invoke(Copy());
        }
    }

    /// <summary>Tells what is missing now and after each change, one call at a time.</summary>
    internal void Follow(Action<IReadOnlyDictionary<string, string>> follower)
    {
        lock (_gate)
        {
            _follower = follower;
            follower(Copy());
        }
    }

    private SortedDictionary<string, string> Copy() => new(_missing, StringComparer.Ordinal);
}
