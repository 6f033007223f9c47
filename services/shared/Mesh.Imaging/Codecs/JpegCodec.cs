using System.Runtime.InteropServices;
using System.Text;

namespace Mesh.Imaging.Codecs;

/// <summary>JPEG through libjpeg-turbo's TurboJPEG interface.</summary>
internal static unsafe partial class JpegCodec
{
    private const string Library = "libturbojpeg.so.0";
    private const int PixelRgb = 0;
    private const int ColourCmyk = 3;
    private const int ColourYcck = 4;
    private const int Sample444 = 0;
    private const int Sample420 = 2;
    private const int AccurateDct = 4096;
    private const int StopOnWarning = 8192;
    private const int LimitScans = 32768;
    private const int LargestSide = 65_500;

    // From here on colour is kept at full resolution.
    private const int FineQuality = 90;

    public static Image Decode(ReadOnlySpan<byte> file, ImageLimits limits)
    {
        var handle = InitDecompress();
        try
        {
            fixed (byte* bytes = file)
            {
                int width = 0, height = 0, sampling = 0, colour = 0;
                if (DecompressHeader(handle, bytes, (nuint)file.Length, &width, &height, &sampling, &colour) != 0)
                    throw Fault(handle, "cannot be read");
                limits.Check(width, height);
                if (colour is ColourCmyk or ColourYcck)
                    throw new ImageException("a JPEG file in CMYK; only grey, RGB and YCbCr are read");
                var pixels = new byte[checked(width * height * Image.Channels)];
                fixed (byte* into = pixels)
                {
                    const int Flags = AccurateDct | StopOnWarning | LimitScans;
                    if (Decompress(handle, bytes, (nuint)file.Length, into, width, width * Image.Channels, height, PixelRgb, Flags) != 0)
                        throw Fault(handle, "cannot be read");
                }

                return new Image(width, height, pixels);
            }
        }
        finally
        {
            _ = Destroy(handle);
        }
    }

    public static byte[] Encode(Image image, int quality)
    {
        if (image.Width > LargestSide || image.Height > LargestSide)
            throw new ImageException($"JPEG holds at most {LargestSide} pixels a side");
        var handle = InitCompress();
        byte* file = null;
        try
        {
            nuint size = 0;
            fixed (byte* pixels = image.Pixels)
            {
                var sampling = quality >= FineQuality ? Sample444 : Sample420;
                if (Compress(handle, pixels, image.Width, image.Width * Image.Channels, image.Height, PixelRgb, &file, &size, sampling, quality, AccurateDct) != 0)
                    throw Fault(handle, "cannot be written");
            }

            return new ReadOnlySpan<byte>(file, checked((int)size)).ToArray();
        }
        finally
        {
            Free(file);
            _ = Destroy(handle);
        }
    }

    private static ImageException Fault(nint handle, string what) =>
        new($"a JPEG file that {what}: {Encoding.Latin1.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(ErrorText(handle)))}");

    [LibraryImport(Library, EntryPoint = "tjInitDecompress")]
    private static partial nint InitDecompress();

    [LibraryImport(Library, EntryPoint = "tjInitCompress")]
    private static partial nint InitCompress();

    // The C type of sizes is unsigned long, which is as wide as a pointer on every system that has a library of this name.
    [LibraryImport(Library, EntryPoint = "tjDecompressHeader3")]
    private static partial int DecompressHeader(nint handle, byte* file, nuint size, int* width, int* height, int* sampling, int* colour);

    [LibraryImport(Library, EntryPoint = "tjDecompress2")]
    private static partial int Decompress(nint handle, byte* file, nuint size, byte* into, int width, int pitch, int height, int format, int flags);

    [LibraryImport(Library, EntryPoint = "tjCompress2")]
    private static partial int Compress(
        nint handle, byte* pixels, int width, int pitch, int height, int format, byte** file, nuint* size, int sampling, int quality, int flags);

    [LibraryImport(Library, EntryPoint = "tjGetErrorStr2")]
    private static partial byte* ErrorText(nint handle);

    [LibraryImport(Library, EntryPoint = "tjFree")]
    private static partial void Free(byte* buffer);

    [LibraryImport(Library, EntryPoint = "tjDestroy")]
    private static partial int Destroy(nint handle);
}
