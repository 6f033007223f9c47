using System.Globalization;
using Mesh.Client;
using Mesh.Imaging;
using ImageFormat = Mesh.Contracts.Image.V1.ImageFormat;

namespace Mesh.Cli.Serving;

/// <summary>Names and words for images that a mesh made.</summary>
internal static class ImageWriting
{
    /// <summary>The format of a file name's ending, as the contract names it.</summary>
    /// <exception cref="ArgumentException">The ending is none that can be written.</exception>
    public static ImageFormat FormatOf(string path) => ImageCodec.FormatOf(path) switch
    {
        Imaging.ImageFormat.Png => ImageFormat.Png,
        Imaging.ImageFormat.Jpeg => ImageFormat.Jpeg,
        Imaging.ImageFormat.WebP => ImageFormat.Webp,
        _ => throw new ArgumentException($"{path}: the ending must be .png, .jpg, .jpeg or .webp"),
    };

    /// <summary>The usual ending of a format, with its dot.</summary>
    public static string EndingOf(ImageFormat format) => format switch
    {
        ImageFormat.Jpeg => ".jpg",
        ImageFormat.Webp => ".webp",
        _ => ".png",
    };

    /// <summary>apple.png, or apple-2.png where images are numbered.</summary>
    public static string Numbered(string path, int? number) => number is { } n ? Beside(path, string.Create(CultureInfo.InvariantCulture, $"-{n}")) : path;

    /// <summary>The same name with something before its ending.</summary>
    public static string Beside(string path, string addition) =>
        Path.Combine(Path.GetDirectoryName(path) ?? "", Path.GetFileNameWithoutExtension(path) + addition + Path.GetExtension(path));

    /// <summary>Where an image's time went.</summary>
    public static string Stages(GeneratedImage image)
    {
        var parts = new[] { ("generate", image.Generate), ("decode", image.Decode), ("upscale", image.Upscale) };
        return string.Join(", ", parts.Where(x => x.Item2 is not null).Select(x => $"{x.Item1} {Stage(x.Item2!)}"));
    }

    /// <summary>Where the time in one stage went.</summary>
    public static string Stage(StageTimings x)
    {
        var shared = x.BatchSize > 1 ? string.Create(CultureInfo.InvariantCulture, $" for {x.BatchSize}") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{x.Compute.TotalMilliseconds:0.0} ms{shared}, waited {x.Queue.TotalMilliseconds:0.0} ms");
    }
}
