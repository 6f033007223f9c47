using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>
/// The LoRA files that networks have been asked for, and which of them are merged now. Merging always starts from the networks' own weights
/// and goes in the order given, so that the same LoRAs give the same weights, and none give the networks' own, bit for bit. For one thread.
/// </summary>
public sealed class LoraShelf : IDisposable
{
    private const int MostFiles = 16;

    private readonly Dictionary<string, MergedLoras> _merged;
    private readonly Func<string, LoraFile> _read;
    private readonly List<(string Key, LoraFile File)> _files = []; // used longest ago first
    private (string Key, double Factor)[] _current = [];

    /// <summary>A shelf without files.</summary>
    /// <param name="networks">By component; their weights change in place.</param>
    /// <param name="read">Reads the file that a key means.</param>
    public LoraShelf(IReadOnlyDictionary<string, Module> networks, Func<string, LoraFile> read)
    {
        _merged = networks.ToDictionary(n => n.Key, n => new MergedLoras(n.Value), StringComparer.Ordinal);
        _read = read;
    }

    /// <summary>Merges these LoRAs and no others; does nothing where they are merged already.</summary>
    /// <param name="loras">What each file is called where it is read, and its factor. Where it throws, none is merged.</param>
    public void Use(IReadOnlyList<(string Key, double Factor)> loras)
    {
        if (_current.SequenceEqual(loras))
            return;
        Clear();
        try
        {
            foreach (var (key, factor) in loras)
            {
                var file = Find(key);
                _current = [.. _current, (key, factor)];
                foreach (var (component, merged) in _merged)
                {
                    if (file.Layers(component) is { Count: > 0 } layers)
                        merged.Set(layers, factor);
                }
            }
        }
        catch
        {
            Clear();
            throw;
        }

        while (_files.Count > MostFiles && _files.FindIndex(f => _current.All(c => c.Key != f.Key)) is >= 0 and var oldest)
        {
            _files[oldest].File.Dispose();
            _files.RemoveAt(oldest);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var merged in _merged.Values)
            merged.Dispose();
        foreach (var (_, file) in _files)
            file.Dispose();
        _files.Clear();
    }

    private void Clear()
    {
        foreach (var (key, _) in _current)
        {
            var file = Find(key);
            foreach (var (component, merged) in _merged)
            {
                if (file.Layers(component) is { Count: > 0 } layers)
                    merged.Remove(layers);
            }
        }

        _current = [];
    }

    private LoraFile Find(string key)
    {
        var at = _files.FindIndex(f => f.Key == key);
        var found = at >= 0 ? _files[at] : (key, _read(key));
        if (at >= 0)
            _files.RemoveAt(at);
        _files.Add(found);
        return found.Item2;
    }
}
