using System.Text.Json;

namespace Mesh.Models.Weights;

/// <summary>The shards of one network under their index file. The index must describe them exactly: each tensor in the shard that it names, none besides.</summary>
public sealed class ShardedWeights : IWeightSource
{
    private const int MaxIndexBytes = 64 << 20;

    private readonly Dictionary<string, SafetensorsFile> _files;
    private readonly Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> _tensors;
    private readonly Dictionary<string, TensorEntry> _entries;

    private ShardedWeights(string origin, Dictionary<string, SafetensorsFile> files, Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> tensors)
    {
        Origin = origin;
        _files = files;
        _tensors = tensors;
        _entries = tensors.ToDictionary(t => t.Key, t => t.Value.Entry, StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public string Origin { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Entries => _entries;

    /// <summary>The shards' paths.</summary>
    public IEnumerable<string> Files => _files.Values.Select(f => f.Path);

    /// <summary>Opens the index <paramref name="path"/> (<c>….safetensors.index.json</c>) and every shard that it names, which lie beside it.</summary>
    /// <exception cref="WeightFileException">The index is malformed or names a file outside its folder, a shard is missing or invalid,
    /// or index and shards disagree about a tensor.</exception>
    public static ShardedWeights Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var map = ReadIndex(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var files = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (string shard in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            {
                string file = Path.Combine(folder, shard);
                if (!File.Exists(file))
                    throw new WeightFileException($"{path} names the shard {shard}, which is not there");
                files.Add(shard, SafetensorsFile.Open(file));
            }
            return new ShardedWeights(path, files, Match(path, map, files));
        }
        catch
        {
            foreach (var file in files.Values)
                file.Dispose();
            throw;
        }
    }

    /// <summary>The shards that an index names, by tensor, without opening them.</summary>
    /// <exception cref="WeightFileException">The index is malformed or names a file outside its folder.</exception>
    public static IReadOnlyDictionary<string, string> ReadIndex(string path)
    {
        using var json = JsonFile.Read(path, MaxIndexBytes);
        if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("weight_map", out var weights)
            || weights.ValueKind != JsonValueKind.Object)
            throw new WeightFileException($"{path} has no object weight_map");
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tensor in weights.EnumerateObject())
        {
            string? shard = tensor.Value.ValueKind == JsonValueKind.String ? tensor.Value.GetString() : null;
            if (shard is null)
                throw new WeightFileException($"{path}: the shard of {WeightFileException.Quote(tensor.Name)} is not a string");
            if (!IsPlainName(shard))
                throw new WeightFileException($"{path} names the shard {WeightFileException.Quote(shard)}, which is no plain file name inside the folder");
            if (!map.TryAdd(tensor.Name, shard))
                throw new WeightFileException($"{path} names {WeightFileException.Quote(tensor.Name)} twice");
        }
        return map;
    }

    /// <inheritdoc/>
    public TorchSharp.torch.Tensor Read(string name, TorchSharp.torch.ScalarType dtype) => Tensor(name).Read(name, dtype);

    /// <inheritdoc/>
    public void CopyTo(string name, TorchSharp.torch.Tensor target) => Tensor(name).CopyTo(name, target);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files.Values)
            file.Dispose();
    }

    private static bool IsPlainName(string name) => name.Length > 0 && name.AsSpan().IndexOfAny("/\\:\0") < 0 && !name.Contains("..", StringComparison.Ordinal)
        && name.EndsWith(".safetensors", StringComparison.Ordinal);

    private static Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> Match(string path, IReadOnlyDictionary<string, string> map,
        Dictionary<string, SafetensorsFile> files)
    {
        var tensors = new Dictionary<string, (SafetensorsFile, TensorEntry)>(StringComparer.Ordinal);
        foreach (var (name, shard) in map)
        {
            if (!files[shard].Entries.TryGetValue(name, out var entry))
                throw new WeightFileException($"{path} places {WeightFileException.Quote(name)} in {shard}, which does not hold it");
            tensors.Add(name, (files[shard], entry));
        }
        foreach (var (shard, file) in files)
        {
            string? stray = file.Entries.Keys.FirstOrDefault(n => map.GetValueOrDefault(n) != shard);
            if (stray is not null)
                throw new WeightFileException($"{file.Path} holds {WeightFileException.Quote(stray)}, which {Path.GetFileName(path)} does not place there");
        }
        return tensors;
    }

    private SafetensorsFile Tensor(string name) => _tensors.TryGetValue(name, out var tensor)
        ? tensor.File
        : throw new WeightFileException($"{Origin} has no tensor {WeightFileException.Quote(name)}");
}
