using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace TorchSharp.Utils;

/// <summary>A dictionary that keeps its entries in the order of insertion and is enumerated as (key, value) pairs.</summary>
public sealed class OrderedDict<TKey, TValue> : IEnumerable<(TKey, TValue)>
    where TKey : notnull
{
    private readonly List<(TKey Key, TValue Value)> _list = [];
    private readonly Dictionary<TKey, int> _index = [];

    public OrderedDict() { }

    public int Count => _list.Count;
    public bool IsReadOnly => false;
    public ICollection<TKey> Keys => _list.ConvertAll(e => e.Key);
    public ICollection<TValue> Values => _list.ConvertAll(e => e.Value);

    public TValue this[TKey key]
    {
        get => _list[_index[key]].Value;
        set
        {
            if (_index.TryGetValue(key, out var at)) _list[at] = (key, value);
            else Add(key, value);
        }
    }

    public (TKey, TValue) this[int index]
    {
        get => _list[index];
        set
        {
            _index.Remove(_list[index].Key);
            _index.Add(value.Item1, index);
            _list[index] = value;
        }
    }

    public IEnumerable<TKey> keys() => Keys;

    public IEnumerable<TValue> values() => Values;

    public IEnumerator<(TKey, TValue)> items() => GetEnumerator();

    public void Add(TKey key, TValue value)
    {
        _index.Add(key, _list.Count);
        _list.Add((key, value));
    }

    public void Add((TKey, TValue) item) => Add(item.Item1, item.Item2);

    public bool ContainsKey(TKey key) => _index.ContainsKey(key);

    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_index.TryGetValue(key, out var at))
        {
            value = _list[at].Value;
            return true;
        }
        value = default;
        return false;
    }

    public bool Remove(TKey key)
    {
        if (!_index.TryGetValue(key, out var at)) return false;
        RemoveAt(at);
        return true;
    }

    public void RemoveAt(int index)
    {
        _list.RemoveAt(index);
        Reindex(index);
    }

    public void Insert(int index, (TKey, TValue) item)
    {
        if (_index.ContainsKey(item.Item1)) throw new ArgumentException($"The key '{item.Item1}' is already present.", nameof(item));
        _list.Insert(index, item);
        Reindex(index);
    }

    public void Clear()
    {
        _list.Clear();
        _index.Clear();
    }

    public void clear() => Clear();

    public IEnumerator<(TKey, TValue)> GetEnumerator() => _list.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Reindex(int from)
    {
        if (from < _list.Count || _index.Count != _list.Count)
        {
            _index.Clear();
            for (var i = 0; i < _list.Count; i++) _index[_list[i].Key] = i;
        }
    }
}
