using Mesh.Imaging;

namespace Mesh.Training.Data;

/// <summary>
/// A folder of PNG, JPEG and WebP files. Captions stand in <c>captions.jsonl</c> (with <c>file</c>), else in a text file beside each picture, one a line.
/// </summary>
public static class PictureFiles
{
    private static readonly string[] Endings = [".png", ".jpg", ".jpeg", ".webp"];

    /// <summary>Reads a folder; the middle square of every picture, resized by Lanczos' filter.</summary>
    /// <param name="folder">The folder, with those below it.</param>
    /// <param name="side">The side to bring pictures to.</param>
    /// <exception cref="DataException">A picture cannot be read or has no caption, or no side is given.</exception>
    public static PictureSet Open(string folder, int side)
    {
        if (side < 1)
            throw new DataException($"{folder} holds picture files: say to what side they are to be brought");
        var entries = new List<PictureEntry>();
        var pictures = new List<ReadOnlyMemory<byte>>();
        foreach (var (path, entry) in Captioned(folder))
        {
            try
            {
                pictures.Add(Squared(ImageCodec.Decode(File.ReadAllBytes(path)), side).Pixels);
            }
            catch (ImageException fault)
            {
                throw new DataException($"{path}: {fault.Message}", fault);
            }

            entries.Add(entry with { Index = entries.Count });
        }

        return entries.Count > 0 ? new PictureSet(side, entries, pictures) : throw new DataException($"{folder} holds neither shards nor picture files");
    }

    /// <summary>The middle square of a picture, of that side.</summary>
    public static Image Squared(Image picture, int side)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var shorter = Math.Min(picture.Width, picture.Height);
        var square = picture.Width == picture.Height ? picture : picture.Crop((picture.Width - shorter) / 2, (picture.Height - shorter) / 2, shorter, shorter);
        return shorter == side ? square : Resampling.Resize(square, side, side, ResampleFilter.Lanczos);
    }

    private static IEnumerable<(string Path, PictureEntry Entry)> Captioned(string folder)
    {
        var list = Path.Combine(folder, "captions.jsonl");
        if (File.Exists(list))
        {
            foreach (var entry in CaptionLines.Read(list, 0))
                yield return (Inside(folder, entry.Fields.GetValueOrDefault("file") ?? throw new DataException($"{list}: picture {entry.Index} has no file")), entry);
            yield break;
        }

        var pictures = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => Endings.Contains(Path.GetExtension(f), StringComparer.OrdinalIgnoreCase)).Order(StringComparer.Ordinal);
        foreach (var path in pictures)
        {
            var text = Path.ChangeExtension(path, ".txt");
            if (!File.Exists(text))
                throw new DataException($"{path} has no caption: {Path.GetFileName(text)} is not there");
            var captions = File.ReadLines(text).Select(l => l.Trim()).Where(l => l.Length > 0).ToArray();
            var fields = new Dictionary<string, string> { ["file"] = Path.GetRelativePath(folder, path) };
            yield return (path, new PictureEntry(0, captions.Length > 0 ? captions : [""], "train", fields));
        }
    }

    private static string Inside(string folder, string file)
    {
        var full = Path.GetFullPath(Path.Combine(folder, file));
        return full.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? full
            : throw new DataException($"'{file}' leads outside of {folder}");
    }
}
