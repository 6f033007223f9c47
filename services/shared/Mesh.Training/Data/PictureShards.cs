using Mesh.Imaging;

namespace Mesh.Training.Data;

/// <summary>
/// Shards of raw pictures: <c>imagesNAME.bin</c> holds side x side x 3 bytes a picture (RGB, rows from the top), <c>captionsNAME.jsonl</c> a line for
/// each, in the same order. All shards of a folder have the same side, which follows from the files' sizes.
/// </summary>
public static class PictureShards
{
    /// <summary>What shards of pictures are called.</summary>
    public const string ImagePattern = "images*.bin";

    /// <summary>Reads all shards of a folder, by name.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="side">The wanted side, to which pictures are resized; 0 for their own.</param>
    /// <exception cref="DataException">A shard has no captions, or its size does not fit their number.</exception>
    public static PictureSet Open(string folder, int side = 0)
    {
        var entries = new List<PictureEntry>();
        var pictures = new List<ReadOnlyMemory<byte>>();
        var stored = 0;
        foreach (var path in Directory.EnumerateFiles(folder, ImagePattern).Order(StringComparer.Ordinal))
        {
            var captions = Path.Combine(folder, "captions" + Path.GetFileNameWithoutExtension(path)["images".Length..] + ".jsonl");
            if (!File.Exists(captions))
                throw new DataException($"{captions} is not there");
            var lines = CaptionLines.Read(captions, entries.Count).ToList();
            if (lines.Count == 0)
                throw new DataException($"{captions} is empty");
            var own = SideOf(path, lines.Count);
            if (stored != 0 && own != stored)
                throw new DataException($"{path} holds pictures of {own} px, others of {stored} px");
            stored = own;
            pictures.AddRange(Read(path, own, lines.Count, side == 0 ? own : side));
            entries.AddRange(lines);
        }

        return new PictureSet(side == 0 ? stored : side, entries, pictures);
    }

    /// <summary>Writes one shard.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">What tells it from others; may be empty.</param>
    /// <param name="pictures">Square pictures of one size.</param>
    /// <param name="lines">A JSON object for each, in the same order.</param>
    public static void Write(string folder, string name, IEnumerable<Image> pictures, IEnumerable<string> lines)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        Directory.CreateDirectory(folder);
        using (var file = File.Create(Path.Combine(folder, $"images{name}.bin")))
        {
            foreach (var picture in pictures)
                file.Write(picture.Pixels);
        }

        File.WriteAllLines(Path.Combine(folder, $"captions{name}.jsonl"), lines);
    }

    private static int SideOf(string path, int count)
    {
        var bytes = new FileInfo(path).Length;
        var side = (int)Math.Round(Math.Sqrt(bytes / (double)(count * Image.Channels)));
        return side > 0 && (long)side * side * Image.Channels * count == bytes
            ? side
            : throw new DataException($"{path} has {bytes} bytes, which is no number of square pictures for {count} captions");
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Read(string path, int side, int count, int wanted)
    {
        using var file = File.OpenRead(path);
        for (var i = 0; i < count; i++)
        {
            var pixels = new byte[side * side * Image.Channels];
            file.ReadExactly(pixels);
            yield return side == wanted ? pixels : Resampling.Resize(new Image(side, side, pixels), wanted, wanted, ResampleFilter.Lanczos).Pixels;
        }
    }
}
