namespace Mesh.Imaging.Codecs;

/// <summary>Laying transparent pixels on a ground.</summary>
internal static class Transparency
{
    /// <summary>RGBA to RGB on white, mixed in sRGB as browsers do, rounded to nearest.</summary>
    public static byte[] OnWhite(ReadOnlySpan<byte> rgba)
    {
        var rgb = new byte[rgba.Length / 4 * 3];
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            int alpha = rgba[from + 3];
            for (var c = 0; c < 3; c++)
                rgb[to + c] = (byte)(((rgba[from + c] * alpha) + (255 * (255 - alpha)) + 127) / 255);
        }

        return rgb;
    }
}
