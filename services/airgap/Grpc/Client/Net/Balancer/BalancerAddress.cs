using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Grpc.Net.Client.Balancer;

/// <summary>Where a server is.</summary>
public sealed class BalancerAddress
{
    private BalancerAttributes? _attributes;

    public BalancerAddress(DnsEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        EndPoint = endPoint;
    }

    public BalancerAddress(string host, int port) : this(new DnsEndPoint(host, port))
    {
    }

    public DnsEndPoint EndPoint { get; }

    public BalancerAttributes Attributes => _attributes ??= new BalancerAttributes();

    public override string ToString() => $"{EndPoint.Host}:{EndPoint.Port}";
}

/// <summary>Named values that resolvers and balancers hand to each other.</summary>
public sealed class BalancerAttributes : IDictionary<string, object?>, IReadOnlyDictionary<string, object?>
{
    public static readonly BalancerAttributes Empty = new(readOnly: true);

    private readonly bool _readOnly;
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    public BalancerAttributes()
    {
    }

    private BalancerAttributes(bool readOnly) => _readOnly = readOnly;

    ICollection<string> IDictionary<string, object?>.Keys => _values.Keys;

    ICollection<object?> IDictionary<string, object?>.Values => _values.Values;

    IEnumerable<string> IReadOnlyDictionary<string, object?>.Keys => _values.Keys;

    IEnumerable<object?> IReadOnlyDictionary<string, object?>.Values => _values.Values;

    int ICollection<KeyValuePair<string, object?>>.Count => _values.Count;

    int IReadOnlyCollection<KeyValuePair<string, object?>>.Count => _values.Count;

    bool ICollection<KeyValuePair<string, object?>>.IsReadOnly => _readOnly;

    object? IReadOnlyDictionary<string, object?>.this[string key] => _values[key];

    object? IDictionary<string, object?>.this[string key]
    {
        get => _values[key];
        set => Writable()[key] = value;
    }

    public bool TryGetValue<TValue>(BalancerAttributesKey<TValue> key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_values.TryGetValue(key.Key, out var found))
        {
            value = (TValue)found!;
            return true;
        }
        value = default;
        return false;
    }

    public void Set<TValue>(BalancerAttributesKey<TValue> key, TValue value) => Writable()[key.Key] = value;

    public bool Remove<TValue>(BalancerAttributesKey<TValue> key) => Writable().Remove(key.Key);

    void IDictionary<string, object?>.Add(string key, object? value) => Writable().Add(key, value);

    bool IDictionary<string, object?>.ContainsKey(string key) => _values.ContainsKey(key);

    bool IReadOnlyDictionary<string, object?>.ContainsKey(string key) => _values.ContainsKey(key);

    bool IDictionary<string, object?>.Remove(string key) => Writable().Remove(key);

    bool IDictionary<string, object?>.TryGetValue(string key, out object? value) => _values.TryGetValue(key, out value);

    bool IReadOnlyDictionary<string, object?>.TryGetValue(string key, out object? value) => _values.TryGetValue(key, out value);

    void ICollection<KeyValuePair<string, object?>>.Add(KeyValuePair<string, object?> item) => Writable().Add(item.Key, item.Value);

    void ICollection<KeyValuePair<string, object?>>.Clear() => Writable().Clear();

    bool ICollection<KeyValuePair<string, object?>>.Contains(KeyValuePair<string, object?> item) => _values.Contains(item);

    void ICollection<KeyValuePair<string, object?>>.CopyTo(KeyValuePair<string, object?>[] array, int arrayIndex) =>
        ((ICollection<KeyValuePair<string, object?>>)_values).CopyTo(array, arrayIndex);

    bool ICollection<KeyValuePair<string, object?>>.Remove(KeyValuePair<string, object?> item) =>
        ((ICollection<KeyValuePair<string, object?>>)Writable()).Remove(item);

    IEnumerator<KeyValuePair<string, object?>> IEnumerable<KeyValuePair<string, object?>>.GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _values.GetEnumerator();

    private Dictionary<string, object?> Writable() => _readOnly ? throw new NotSupportedException("These attributes are read only.") : _values;
}

/// <summary>The name and type of an attribute.</summary>
public readonly struct BalancerAttributesKey<TValue>
{
    public BalancerAttributesKey(string key) => Key = key;

    public string Key { get; }
}
