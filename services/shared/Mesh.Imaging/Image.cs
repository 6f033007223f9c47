namespace Mesh.Imaging;

/// <summary>A picture of 8-bit red, green and blue in sRGB, rows from the top, three bytes a pixel, no padding.</summary>
public sealed class Image
{
    /// <summary>Bytes of one pixel.</summary>
    public const int Channels = 3;

    /// <summary>Wraps pixels; the array is not copied.</summary>
    /// <param name="width">Columns, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="pixels">height x width x 3 bytes.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    public Image(int width, int height, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentNullException.ThrowIfNull(pixels);
        if (pixels.LongLength != (long)width * height * Channels)
            throw new ArgumentException($"{pixels.Length} bytes for {width} x {height} pixels", nameof(pixels));
        (Width, Height, Pixels) = (width, height, pixels);
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>The bytes themselves, height x width x 3.</summary>
    public byte[] Pixels { get; }

    /// <summary>A picture of one colour.</summary>
    public static Image Filled(int width, int height, byte red, byte green, byte blue)
    {
        var pixels = new byte[checked(width * height * Channels)];
        for (var i = 0; i < pixels.Length; i += Channels)
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        return new Image(width, height, pixels);
    }

    /// <summary>A copy of a part that lies wholly inside.</summary>
    public Image Crop(int left, int top, int width, int height)
    {
        CheckInside(left, top, width, height);
        var part = new byte[width * height * Channels];
        for (var y = 0; y < height; y++)
            Row(left, top + y, width).CopyTo(part.AsSpan(y * width * Channels));
        return new Image(width, height, part);
    }

    /// <summary>Writes another picture over this one; it must lie wholly inside.</summary>
    public void Paste(Image part, int left, int top)
    {
        CheckInside(left, top, part.Width, part.Height);
        for (var y = 0; y < part.Height; y++)
            part.Row(0, y, part.Width).CopyTo(Row(left, top + y, part.Width));
    }

    private Span<byte> Row(int left, int y, int width) => Pixels.AsSpan(((y * Width) + left) * Channels, width * Channels);

    private void CheckInside(int left, int top, int width, int height)
    {
        if (left < 0 || top < 0 || width < 1 || height < 1 || width > Width - left || height > Height - top)
            throw new ArgumentException($"{width} x {height} at ({left}, {top}) is not inside {Width} x {Height}");
    }
}
