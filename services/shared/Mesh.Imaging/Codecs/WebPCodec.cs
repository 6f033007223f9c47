using System.Runtime.InteropServices;

namespace Mesh.Imaging.Codecs;

/// <summary>WebP through libwebp's simple interface.</summary>
internal static unsafe partial class WebPCodec
{
    private const string Library = "libwebp.so.7";
    private const int LargestSide = 16_383;

    public static Image Decode(ReadOnlySpan<byte> file, ImageLimits limits)
    {
        fixed (byte* bytes = file)
        {
            int width = 0, height = 0;
            if (GetInfo(bytes, (nuint)file.Length, &width, &height) == 0)
                throw new ImageException("a WebP file that cannot be read");
            limits.Check(width, height);
            var rgba = new byte[checked(width * height * 4)];
            fixed (byte* into = rgba)
            {
                if (DecodeInto(bytes, (nuint)file.Length, into, (nuint)rgba.Length, width * 4) == null)
                    throw new ImageException("a WebP file that is damaged, cut short or animated");
            }

            return new Image(width, height, Transparency.OnWhite(rgba));
        }
    }

    public static byte[] Encode(Image image, int quality, bool lossless)
    {
        if (image.Width > LargestSide || image.Height > LargestSide)
            throw new ImageException($"WebP holds at most {LargestSide} pixels a side");
        byte* file = null;
        try
        {
            fixed (byte* pixels = image.Pixels)
            {
                var stride = image.Width * Image.Channels;
                var size = lossless
                    ? EncodeLossless(pixels, image.Width, image.Height, stride, &file)
                    : EncodeLossy(pixels, image.Width, image.Height, stride, quality, &file);
                return size > 0 ? new ReadOnlySpan<byte>(file, checked((int)size)).ToArray() : throw new ImageException("a WebP file that cannot be written");
            }
        }
        finally
        {
            if (file != null)
                Free(file);
        }
    }

    [LibraryImport(Library, EntryPoint = "WebPGetInfo")]
    private static partial int GetInfo(byte* file, nuint size, int* width, int* height);

    [LibraryImport(Library, EntryPoint = "WebPDecodeRGBAInto")]
    private static partial byte* DecodeInto(byte* file, nuint size, byte* into, nuint intoSize, int stride);

    [LibraryImport(Library, EntryPoint = "WebPEncodeRGB")]
    private static partial nuint EncodeLossy(byte* pixels, int width, int height, int stride, float quality, byte** file);

    [LibraryImport(Library, EntryPoint = "WebPEncodeLosslessRGB")]
    private static partial nuint EncodeLossless(byte* pixels, int width, int height, int stride, byte** file);

    [LibraryImport(Library, EntryPoint = "WebPFree")]
    private static partial void Free(byte* file);
}
