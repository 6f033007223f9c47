using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using Mesh.Training.Data;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Scaled latents with the ids of their texts, and with the noise that leads to them where that is known.</summary>
internal interface ILatentSource : IDisposable
{
    /// <summary>Indices and weights of what is trained on.</summary>
    IEnumerable<(int Index, double Weight)> Items { get; }

    /// <summary>Shape of one latent.</summary>
    long[] Shape { get; }

    /// <summary>Some latents, [B, C, H, W], and their noise or null.</summary>
    (Tensor Latents, Tensor? Noise) Get(int[] indices);

    /// <summary>The ids of their texts, [B, L].</summary>
    Tensor Ids(int[] indices, TorchGenerator random);
}

/// <summary>Pictures' latents, encoded once, with captions drawn anew each time.</summary>
internal sealed class PictureLatents : ILatentSource
{
    private const int EncodedAtOnce = 64;

    private readonly DataSelection _selection;
    private readonly ClipTokenizer _tokenizer;
    private readonly Dictionary<string, int[]> _rows = new(StringComparer.Ordinal);
    private readonly Tensor _latents;

    public PictureLatents(PictureSet set, DataSelection selection, ClipTokenizer tokenizer, AutoencoderKL vae)
        : this(set, selection, tokenizer, Encode(set, vae))
    {
    }

    private PictureLatents(PictureSet set, DataSelection selection, ClipTokenizer tokenizer, Tensor latents) =>
        (Set, _selection, _tokenizer, _latents) = (set, selection, tokenizer, latents.DetachFromDisposeScope());

    /// <summary>As the constructor, with latents from a cache.</summary>
    /// <param name="set">The pictures.</param>
    /// <param name="selection">Which are trained on.</param>
    /// <param name="tokenizer">For their captions.</param>
    /// <param name="vae">What encodes them.</param>
    /// <param name="folder">The folder that <paramref name="vae"/> came from.</param>
    /// <param name="cache">Where latents are kept; null to encode them now.</param>
    public static PictureLatents Open(PictureSet set, DataSelection selection, ClipTokenizer tokenizer, AutoencoderKL vae, string folder, LatentCache? cache) =>
        new(set, selection, tokenizer, cache is null ? Encode(set, vae) : cache.Get(set, folder, () => Encode(set, vae)));

    public PictureSet Set { get; }

    public IEnumerable<(int Index, double Weight)> Items => _selection.Of(Set.Entries);

    public long[] Shape => _latents.shape[1..];

    public (Tensor Latents, Tensor? Noise) Get(int[] indices)
    {
        using var at = tensor(Array.ConvertAll(indices, i => (long)i));
        return (_latents.index_select(0, at), null);
    }

    public Tensor Ids(int[] indices, TorchGenerator random)
    {
        var draws = new float[2 * indices.Length];
        random.Uniforms(draws);
        return Rows(indices.Select((index, i) => _selection.Caption(Set.Entries[index], draws[2 * i], draws[(2 * i) + 1])));
    }

    /// <summary>Rows of ids of given texts.</summary>
    public Tensor Rows(IEnumerable<string> captions)
    {
        var rows = captions.Select(Row).ToArray();
        return tensor(rows.SelectMany(r => r).Select(i => (long)i).ToArray()).reshape(rows.Length, _tokenizer.MaxLength);
    }

    public void Dispose() => _latents.Dispose();

    private int[] Row(string caption)
    {
        if (!_rows.TryGetValue(caption, out var row))
            _rows[caption] = row = _tokenizer.EncodePadded(caption);
        return row;
    }

    private static Tensor Encode(PictureSet set, AutoencoderKL vae)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        foreach (var part in Enumerable.Range(0, set.Count).Chunk(EncodedAtOnce))
        {
            using var inner = NewDisposeScope();
            using var latent = vae.Encode(set.Batch(part));
            parts.Add(vae.Scale(latent.Mean).MoveToOuterDisposeScope());
        }

        return cat(parts.ToArray(), 0).MoveToOuterDisposeScope();
    }
}

/// <summary>What a teacher made of noise: the files of a <c>pairs</c> job.</summary>
internal sealed class PairLatents : ILatentSource
{
    /// <summary>What the files are called.</summary>
    public const string Pattern = "pairs-*.safetensors";

    private readonly Tensor _latents;
    private readonly Tensor _noise;
    private readonly Tensor _ids;

    public PairLatents(string folder)
    {
        using var scope = NewDisposeScope();
        var files = Directory.EnumerateFiles(folder, Pattern).Order(StringComparer.Ordinal).ToArray();
        if (files.Length == 0)
            throw new DataException($"{folder} holds no {Pattern}");
        Tensor All(string name, ScalarType type) => cat(files.Select(f =>
        {
            using var file = SafetensorsFile.Open(f);
            return file.Read(name, type);
        }).ToArray(), 0).DetachFromDisposeScope();
        _latents = All("latent", ScalarType.Float32);
        _noise = All("noise", ScalarType.Float32);
        _ids = All("ids", ScalarType.Int64);
    }

    public IEnumerable<(int Index, double Weight)> Items => Enumerable.Range(0, (int)_latents.shape[0]).Select(i => (i, 1.0));

    public long[] Shape => _latents.shape[1..];

    public (Tensor Latents, Tensor? Noise) Get(int[] indices)
    {
        using var at = tensor(Array.ConvertAll(indices, i => (long)i));
        return (_latents.index_select(0, at), _noise.index_select(0, at));
    }

    public Tensor Ids(int[] indices, TorchGenerator random)
    {
        using var at = tensor(Array.ConvertAll(indices, i => (long)i));
        return _ids.index_select(0, at);
    }

    public void Dispose()
    {
        _latents.Dispose();
        _noise.Dispose();
        _ids.Dispose();
    }
}
