using System.Collections;
using System.Diagnostics.CodeAnalysis;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>Modules by name, in the order of insertion.</summary>
public sealed class ModuleDict<T> : nn.Module, IEnumerable<(string, T)>
    where T : nn.Module
{
    private readonly OrderedDict<string, T> _dict = new();

    public ModuleDict()
        : base("ModuleDict")
    {
        NamesItsComponents();
    }

    public int Count => _dict.Count;
    public bool IsReadOnly => false;
    public ICollection<string> Keys => _dict.Keys;
    public ICollection<T> Values => _dict.Values;

    public T this[string key]
    {
        get => _dict[key];
        set
        {
            _dict[key] = value;
            Rename();
        }
    }

    public IEnumerable<string> keys() => _dict.Keys;

    public IEnumerable<T> values() => _dict.Values;

    public IEnumerator<(string, T)> items() => GetEnumerator();

    public void Add(string key, T value)
    {
        register_module(key, value);
        _dict.Add(key, value);
    }

    public void Add((string, T) item) => Add(item.Item1, item.Item2);

    public bool ContainsKey(string key) => _dict.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => _dict.TryGetValue(key, out value);

    public bool Remove(string key)
    {
        var removed = _dict.Remove(key);
        Rename();
        return removed;
    }

    public void Clear()
    {
        _dict.Clear();
        Rename();
    }

    public void clear() => Clear();

    public IEnumerator<(string, T)> GetEnumerator() => _dict.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Rename()
    {
        ClearModules();
        foreach (var (name, module) in _dict) register_module(name, module);
    }
}
