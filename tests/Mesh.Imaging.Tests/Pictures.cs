namespace Mesh.Imaging.Tests;

/// <summary>Pictures to test with, always the same.</summary>
internal static class Pictures
{
    /// <summary>Smooth colours with a hard-edged square.</summary>
    public static Image Smooth(int width, int height)
    {
        var pixels = new byte[width * height * 3];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var at = ((y * width) + x) * 3;
                var inside = x > width / 3 && x < width / 2 && y > height / 3 && y < height / 2;
                pixels[at] = inside ? (byte)255 : (byte)(127 + (100 * Math.Sin(x * 0.1)));
                pixels[at + 1] = inside ? (byte)0 : (byte)(127 + (100 * Math.Cos(y * 0.07)));
                pixels[at + 2] = (byte)(127 + (100 * Math.Sin((x + y) * 0.05)));
            }
        }

        return new Image(width, height, pixels);
    }

    /// <summary>The mean absolute difference of all bytes.</summary>
    public static double Difference(Image one, Image two)
    {
        two.Width.ShouldBe(one.Width);
        two.Height.ShouldBe(one.Height);
        return one.Pixels.Zip(two.Pixels, (a, b) => Math.Abs(a - b)).Average();
    }
}
