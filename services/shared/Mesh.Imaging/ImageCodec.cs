using Mesh.Imaging.Codecs;

namespace Mesh.Imaging;

/// <summary>How a picture is written.</summary>
/// <param name="Quality">1 to 100, for JPEG and lossy WebP.</param>
/// <param name="Lossless">For WebP: whether every pixel is kept.</param>
/// <param name="Text">For PNG: notes that travel with the picture. The other formats carry none.</param>
public sealed record EncodeOptions(int Quality = 92, bool Lossless = false, IReadOnlyList<PngText>? Text = null)
{
    /// <summary>Quality 92, lossy, no notes.</summary>
    public static EncodeOptions Default { get; } = new();
}

/// <summary>Reads and writes picture files. Safe for use by many threads.</summary>
public static class ImageCodec
{
    /// <summary>The format that the first bytes announce, or null.</summary>
    public static ImageFormat? Detect(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith(PngChunks.Signature))
            return ImageFormat.Png;
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]))
            return ImageFormat.Jpeg;
        return file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8) ? ImageFormat.WebP : null;
    }

    /// <summary>
    /// Reads a PNG, JPEG or WebP file. Transparency is laid on white; 16-bit samples lose their lower byte's precision; colour profiles are not applied.
    /// </summary>
    /// <exception cref="ImageException">The bytes are none of these, damaged, cut short, or beyond the limits.</exception>
    public static Image Decode(ReadOnlySpan<byte> file, ImageLimits? limits = null)
    {
        limits ??= ImageLimits.Default;
        try
        {
            return Detect(file) switch
            {
                ImageFormat.Png => PngCodec.Decode(file, limits),
                ImageFormat.Jpeg => JpegCodec.Decode(file, limits),
                ImageFormat.WebP => WebPCodec.Decode(file, limits),
                _ => throw new ImageException(file.IsEmpty ? "an empty file" : "neither PNG, JPEG nor WebP"),
            };
        }
        catch (DllNotFoundException fault)
        {
            throw Missing(fault);
        }
    }

    /// <summary>Writes a picture.</summary>
    /// <exception cref="ImageException">The format cannot hold a picture of that size.</exception>
    /// <exception cref="ArgumentException">The quality is out of range, or a note is not one.</exception>
    public static byte[] Encode(Image image, ImageFormat format, EncodeOptions? options = null)
    {
        options ??= EncodeOptions.Default;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Quality, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Quality, 100, nameof(options));
        try
        {
            return format switch
            {
                ImageFormat.Png => PngChunks.AddText(PngCodec.Encode(image), options.Text ?? []),
                ImageFormat.Jpeg => JpegCodec.Encode(image, options.Quality),
                ImageFormat.WebP => WebPCodec.Encode(image, options.Quality, options.Lossless),
                _ => throw new ArgumentOutOfRangeException(nameof(format)),
            };
        }
        catch (DllNotFoundException fault)
        {
            throw Missing(fault);
        }
    }

    /// <summary>The notes in a PNG file, in the order in which they stand; empty for the other formats.</summary>
    /// <exception cref="ImageException">The file is damaged.</exception>
    public static IReadOnlyList<PngText> ReadText(ReadOnlySpan<byte> file) => Detect(file) == ImageFormat.Png ? PngChunks.ReadText(file) : [];

    /// <summary>The format of a file name's ending, or null.</summary>
    public static ImageFormat? FormatOf(string fileName) => Path.GetExtension(fileName).ToUpperInvariant() switch
    {
        ".PNG" => ImageFormat.Png,
        ".JPG" or ".JPEG" => ImageFormat.Jpeg,
        ".WEBP" => ImageFormat.WebP,
        _ => null,
    };

    private static NotSupportedException Missing(DllNotFoundException fault) =>
        new("the picture libraries are not all installed: libpng16-16, libturbojpeg0 and libwebp7 are needed", fault);
}
