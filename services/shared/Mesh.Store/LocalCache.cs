using System.Diagnostics.CodeAnalysis;

namespace Mesh.Store;

/// <summary>Values in this process, at most so many bytes of them: the one not used for longest goes first. Safe for use from several threads.</summary>
/// <param name="capacityBytes">Most bytes of values and keys; at least 0. A larger single value is not kept.</param>
/// <param name="lifetime">How long a value is kept; null for as long as there is room.</param>
/// <param name="time">The clock; the system's where null.</param>
public sealed class LocalCache(long capacityBytes, TimeSpan? lifetime = null, TimeProvider? time = null)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = [];
    private readonly long _capacity = capacityBytes >= 0 ? capacityBytes : throw new ArgumentOutOfRangeException(nameof(capacityBytes), capacityBytes, "must be at least 0");
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long _bytes;

    /// <summary>Bytes held now.</summary>
    public long Bytes
    {
        get { lock (_gate) return _bytes; }
    }

    public bool TryGet(string key, [NotNullWhen(true)] out byte[]? value)
    {
        lock (_gate)
        {
            value = null;
            if (!_entries.TryGetValue(key, out var node)) return false;
            if (node.Value.Ends <= _time.GetUtcNow())
            {
                Remove(node);
                return false;
            }
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            value = node.Value.Value;
            return true;
        }
    }

    /// <summary>Keeps a value, in the place of one of the same key.</summary>
    public void Set(string key, byte[] value)
    {
        ArgumentNullException.ThrowIfNull(value);
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out var old)) Remove(old);
            var entry = new Entry(key, value, lifetime is { } kept ? _time.GetUtcNow() + kept : DateTimeOffset.MaxValue);
            if (entry.Bytes > _capacity) return;
            while (_bytes + entry.Bytes > _capacity) Remove(_byUse.Last!);
            _entries[key] = _byUse.AddFirst(entry);
            _bytes += entry.Bytes;
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _entries.Remove(node.Value.Key);
        _bytes -= node.Value.Bytes;
    }

    private sealed record Entry(string Key, byte[] Value, DateTimeOffset Ends)
    {
        public long Bytes => Value.Length + 2L * Key.Length;
    }
}
