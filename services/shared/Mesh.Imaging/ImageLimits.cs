namespace Mesh.Imaging;

/// <summary>How large a picture may be before any pixel of it is read.</summary>
/// <param name="MaxSide">Pixels along either side.</param>
/// <param name="MaxPixels">Pixels in all.</param>
public sealed record ImageLimits(int MaxSide = 16_384, long MaxPixels = 64L << 20)
{
    /// <summary>16,384 a side and 64 Mi pixels.</summary>
    public static ImageLimits Default { get; } = new();

    /// <summary>Refuses a size beyond the limits.</summary>
    /// <exception cref="ImageException">It is beyond.</exception>
    public void Check(long width, long height)
    {
        if (width < 1 || height < 1)
            throw new ImageException($"a picture of {width} x {height} pixels");
        if (width > MaxSide || height > MaxSide || width * height > MaxPixels)
            throw new ImageException($"a picture of {width} x {height} pixels; at most {MaxSide} a side and {MaxPixels} in all are taken");
    }
}
