using System.Runtime.InteropServices;
using System.Text;

namespace Mesh.Imaging.Codecs;

/// <summary>PNG through libpng's simplified interface, which keeps its long jumps to itself.</summary>
internal static unsafe partial class PngCodec
{
    private const string Library = "libpng16.so.16";
    private const uint Version = 1;
    private const uint HasAlpha = 1;
    private const uint Rgb = 2;
    private const uint Rgba = 3;
    private const uint SixteenBitIsSrgb = 4;

    // Deflate makes at most 1,032 bytes of one.
    private const int LargestExpansion = 1032;

    public static Image Decode(ReadOnlySpan<byte> file, ImageLimits limits)
    {
        var (width, height, raw) = PngChunks.ReadHeader(file);
        limits.Check(width, height);
        if (raw / LargestExpansion > file.Length)
            throw new ImageException("a PNG file that is cut short");
        PngChunks.CheckFrames(file);
        return Read(file);
    }

    public static byte[] Encode(Image image)
    {
        var control = new Control { Version = Version, Width = (uint)image.Width, Height = (uint)image.Height, Format = Rgb };
        var raw = (long)image.Pixels.Length + image.Height;
        var bound = checked((nuint)(raw + (raw / 8) + (raw / 64) + (12 * ((raw / 8192) + 2)) + 1024));
        var buffer = new byte[bound];
        fixed (byte* pixels = image.Pixels, into = buffer)
        {
            if (WriteToMemory(&control, into, &bound, 0, pixels, image.Width * Image.Channels, null) == 0)
                throw Fault(&control);
        }

        return buffer.AsSpan(0, (int)bound).ToArray();
    }

    private static Image Read(ReadOnlySpan<byte> file)
    {
        var control = new Control { Version = Version };
        fixed (byte* bytes = file)
        {
            if (BeginReadFromMemory(&control, bytes, (nuint)file.Length) == 0)
                throw Fault(&control);
            try
            {
                // Told that 16-bit samples are sRGB, the library only drops their lower bytes.
                control.Flags |= SixteenBitIsSrgb;
                var alpha = (control.Format & HasAlpha) != 0;
                var channels = alpha ? 4 : Image.Channels;
                control.Format = alpha ? Rgba : Rgb;
                var (width, height) = ((int)control.Width, (int)control.Height);
                var pixels = new byte[checked(width * height * channels)];
                fixed (byte* into = pixels)
                {
                    if (FinishRead(&control, null, into, width * channels, null) == 0)
                        throw Fault(&control);
                }

                return new Image(width, height, alpha ? Transparency.OnWhite(pixels) : pixels);
            }
            finally
            {
                Free(&control);
            }
        }
    }

    private static ImageException Fault(Control* control)
    {
        var text = Encoding.Latin1.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(control->Message));
        Free(control);
        return new ImageException($"a PNG file that cannot be read or written: {text}");
    }

    [LibraryImport(Library, EntryPoint = "png_image_begin_read_from_memory")]
    private static partial int BeginReadFromMemory(Control* control, byte* memory, nuint size);

    [LibraryImport(Library, EntryPoint = "png_image_finish_read")]
    private static partial int FinishRead(Control* control, void* background, byte* buffer, int rowStride, void* colormap);

    [LibraryImport(Library, EntryPoint = "png_image_write_to_memory")]
    private static partial int WriteToMemory(Control* control, byte* memory, nuint* size, int convertTo8Bit, byte* buffer, int rowStride, void* colormap);

    [LibraryImport(Library, EntryPoint = "png_image_free")]
    private static partial void Free(Control* control);

    /// <summary>png_image of png.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Control
    {
        public nint Opaque;
        public uint Version;
        public uint Width;
        public uint Height;
        public uint Format;
        public uint Flags;
        public uint ColormapEntries;
        public uint WarningOrError;
        public fixed byte Message[64];
    }
}
