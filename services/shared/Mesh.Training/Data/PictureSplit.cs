using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Training.Data;

/// <summary>A picture that is to be put in a set.</summary>
/// <param name="Pixels">side x side x 3 bytes.</param>
/// <param name="Line">Its line but for <c>split</c>, which may be there already.</param>
/// <param name="Key">Pictures of one key show the same thing: they are trained on together or not at all.</param>
/// <param name="IsJudged">Whether it may be kept for judging; one that may not is left out where its key is.</param>
public sealed record NewPicture(ReadOnlyMemory<byte> Pixels, JsonObject Line, string Key, bool IsJudged = true);

/// <summary>Pictures with their splits, and how many were left out so that none that is trained on shows what is kept for judging.</summary>
/// <param name="Kept">In their order; each line says its split.</param>
/// <param name="Variants">Left out: of the key of a kept one, but not to be judged by.</param>
/// <param name="Copies">Left out: the same pixels as a kept one.</param>
public sealed record SplitPictures(IReadOnlyList<NewPicture> Kept, int Variants, int Copies);

/// <summary>Divides pictures into what is trained on and what is kept for judging. What a picture's part is follows from its key alone.</summary>
public static class PictureSplit
{
    private const int Values = 256;

    /// <summary>Whether pictures of a key are kept for judging: the first byte of its MD5 decides, so that shares go in steps of 1/256.</summary>
#pragma warning disable CA5351 // Nothing is kept safe by it: a key's part must be what it was in sets that were made before.
    public static bool IsHeld(string key, double share) => MD5.HashData(Encoding.UTF8.GetBytes(key))[0] < Values * share;
#pragma warning restore CA5351

    /// <summary>Divides.</summary>
    /// <param name="pictures">All pictures.</param>
    /// <param name="share">The share of keys that is kept for judging, 0 to 1.</param>
    public static SplitPictures Divide(IEnumerable<NewPicture> pictures, double share)
    {
        bool Held(NewPicture picture) => picture.Line["split"]?.GetValue<string>() is { } own ? own == PictureEntry.TestSplit : IsHeld(picture.Key, share);
        var all = pictures.Select(p => (Picture: p, Held: Held(p))).ToArray();
        var shown = all.Where(p => p.Held && p.Picture.IsJudged).Select(p => DataManifest.Hash(p.Picture.Pixels.Span)).ToHashSet(StringComparer.Ordinal);
        var kept = new List<NewPicture>();
        int variants = 0, copies = 0;
        foreach (var (picture, held) in all)
        {
            if (held && !picture.IsJudged)
            {
                variants++;
                continue;
            }

            if (!held && shown.Contains(DataManifest.Hash(picture.Pixels.Span)))
            {
                copies++;
                continue;
            }

            picture.Line["split"] ??= held ? PictureEntry.TestSplit : "train";
            kept.Add(picture);
        }

        return new SplitPictures(kept, variants, copies);
    }
}
