namespace Mesh.Models.Weights;

/// <summary>The files that hold one network's weights in its folder.</summary>
/// <param name="Main">The single file, or the index of shards.</param>
/// <param name="IsSharded">Whether <paramref name="Main"/> is an index.</param>
/// <param name="Variant">Whose files these are: <c>fp16</c> and the like, or null for the plain ones.</param>
public sealed record WeightFiles(string Main, bool IsSharded, string? Variant)
{
    private const string Extension = ".safetensors";

    /// <summary>File names without variant and extension: of diffusers' models, then of transformers'.</summary>
    private static readonly string[] Stems = ["diffusion_pytorch_model", "model"];

    /// <summary>Opens the file or the shards.</summary>
    /// <exception cref="WeightFileException">They are not valid.</exception>
    public IWeightSource Open() => IsSharded ? ShardedWeights.Open(Main) : SafetensorsFile.Open(Main);

    /// <summary>All files, the index left out.</summary>
    /// <exception cref="WeightFileException">The index is malformed.</exception>
    public IReadOnlyList<string> Paths() => IsSharded
        ? [.. ShardedWeights.ReadIndex(Main).Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(f => Path.Combine(Path.GetDirectoryName(Main)!, f))]
        : [Main];

    /// <summary>Finds the weights of a network's folder: those of the variant where it has any, else the plain ones.</summary>
    /// <exception cref="WeightFileException">There are none; the message says what lies there instead.</exception>
    public static WeightFiles Find(string folder, string? variant = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (variant is not null && (variant.Length == 0 || !variant.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')))
            throw new WeightFileException($"{WeightFileException.Quote(variant)} is no variant's name");
        foreach (string? wanted in variant is null ? [null] : new[] { variant, null })
        {
            foreach (string stem in Stems)
            {
                foreach (var (name, isSharded) in Names(stem, wanted))
                {
                    string path = Path.Combine(folder, name);
                    if (File.Exists(path))
                        return new WeightFiles(path, isSharded, wanted);
                }
            }
        }
        throw Nothing(folder, variant);
    }

    /// <summary>The variants that lie in a network's folder.</summary>
    public static IReadOnlyList<string> Variants(string folder)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string file in Directory.Exists(folder) ? Directory.EnumerateFiles(folder) : [])
        {
            string name = Path.GetFileName(file);
            string? rest = Stems.Where(s => name.StartsWith(s + ".", StringComparison.Ordinal)).Select(s => name[(s.Length + 1)..]).FirstOrDefault();
            if (rest is null || rest.StartsWith("safetensors", StringComparison.Ordinal) || !rest.EndsWith(Extension, StringComparison.Ordinal))
                continue;
            string variant = rest[..^Extension.Length];
            int shard = variant.IndexOf('-', StringComparison.Ordinal);
            found.Add(shard < 0 ? variant : variant[..shard]);
        }
        return [.. found];
    }

    /// <summary>The names to try, in this order; the last form is that of older libraries.</summary>
    private static IEnumerable<(string Name, bool IsSharded)> Names(string stem, string? variant) => variant is null
        ? [($"{stem}{Extension}", false), ($"{stem}{Extension}.index.json", true)]
        : [($"{stem}.{variant}{Extension}", false), ($"{stem}{Extension}.index.{variant}.json", true), ($"{stem}{Extension}.{variant}.index.json", true)];

    private static WeightFileException Nothing(string folder, string? variant)
    {
        if (!Directory.Exists(folder))
            return new WeightFileException($"{folder} is not there");
        var variants = Variants(folder);
        if (variants.Count > 0)
            return new WeightFileException($"{folder} has weights only as {string.Join(", ", variants)}{(variant is null ? ": name the variant" : $", not as {variant} or without a variant")}");
        string? pickle = Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)
            .FirstOrDefault(f => FileSignature.PickleExtensions.Contains(Path.GetExtension(f), StringComparer.OrdinalIgnoreCase));
        return pickle is not null
            ? FileSignature.Pickle(pickle)
            : new WeightFileException($"{folder} has no weights: neither {Stems[0]}{Extension} nor {Stems[1]}{Extension} nor an index of shards");
    }
}
