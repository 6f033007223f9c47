using Mesh.Imaging;
using static TorchSharp.torch;

namespace Mesh.Training.Data;

/// <summary>Square pictures of one size in memory, with captions.</summary>
public sealed class PictureSet
{
    private const float Middle = 127.5f;

    private readonly IReadOnlyList<ReadOnlyMemory<byte>> _pictures;

    /// <summary>A set of pictures that are there already.</summary>
    /// <param name="side">Side of each in pixels.</param>
    /// <param name="entries">What is known of each; their indices are their places.</param>
    /// <param name="pictures">side x side x 3 bytes each, in the same order.</param>
    /// <exception cref="DataException">Counts or sizes do not agree.</exception>
    public PictureSet(int side, IReadOnlyList<PictureEntry> entries, IReadOnlyList<ReadOnlyMemory<byte>> pictures)
    {
        if (entries.Count != pictures.Count)
            throw new DataException($"{entries.Count} captions for {pictures.Count} pictures");
        if (pictures.FirstOrDefault(p => p.Length != side * side * Image.Channels) is { Length: > 0 } odd)
            throw new DataException($"a picture has {odd.Length} bytes instead of {side * side * Image.Channels}");
        (Side, Entries, _pictures) = (side, entries, pictures);
    }

    /// <summary>Side of each picture in pixels.</summary>
    public int Side { get; }

    /// <summary>What is known of each.</summary>
    public IReadOnlyList<PictureEntry> Entries { get; }

    /// <summary>How many there are.</summary>
    public int Count => Entries.Count;

    /// <summary>Opens a folder: shards (<c>images*.bin</c> with <c>captions*.jsonl</c>) where it has any, else picture files with captions.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="side">The wanted side; 0 for that of the shards.</param>
    /// <exception cref="DataException">It is not there, holds neither, is malformed, or is not what its <see cref="DataManifest"/> says.</exception>
    public static PictureSet Open(string folder, int side = 0)
    {
        if (!Directory.Exists(folder))
            throw new DataException($"{folder} is not there");
        DataManifest.Check(folder);
        return Directory.EnumerateFiles(folder, PictureShards.ImagePattern).Any() ? PictureShards.Open(folder, side) : PictureFiles.Open(folder, side);
    }

    /// <summary>The bytes of a picture.</summary>
    public ReadOnlyMemory<byte> Pixels(int index) => _pictures[index];

    /// <summary>A picture.</summary>
    public Image Picture(int index) => new(Side, Side, _pictures[index].ToArray());

    /// <summary>Some pictures as a batch.</summary>
    /// <returns>[count, 3, side, side] in [-1, 1].</returns>
    public Tensor Batch(IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        using var scope = NewDisposeScope();
        var each = Side * Side * Image.Channels;
        var bytes = new byte[indices.Count * each];
        for (var i = 0; i < indices.Count; i++)
            _pictures[indices[i]].Span.CopyTo(bytes.AsSpan(i * each));
        var planes = tensor(bytes).reshape(indices.Count, Side, Side, Image.Channels).permute(0, 3, 1, 2).to(ScalarType.Float32);
        return ((planes / Middle) - 1).contiguous().MoveToOuterDisposeScope();
    }
}

/// <summary>Data that is not there, or not what it should be.</summary>
public sealed class DataException : Exception
{
    /// <summary>A reason.</summary>
    public DataException(string message)
        : base(message)
    {
    }

    /// <summary>A reason with what caused it.</summary>
    public DataException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
