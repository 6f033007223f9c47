using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Mesh.Imaging.Codecs;

/// <summary>The chunks of a PNG file (PNG specification, third edition, 5 and 11.3.3): what the library's simple interface leaves out.</summary>
internal static class PngChunks
{
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    private const int Frame = 12;
    private const int LongestKeyword = 79;
    private const int MostText = 4 << 20;
    private const int HeaderEnd = 8 + Frame + 13;

    /// <summary>
    /// Follows the chunks to the last one. The library itself would make room for whatever length a chunk claims, and take seconds over it, before it
    /// finds that the file is shorter.
    /// </summary>
    public static void CheckFrames(ReadOnlySpan<byte> file)
    {
        for (var at = Signature.Length; ;)
        {
            var length = FrameAt(file, at);
            if (file.Slice(at + 4, 4).SequenceEqual("IEND"u8))
                return;
            at += Frame + length;
        }
    }

    /// <summary>Rows as they are compressed: their number times their length, for a check of the header against the file's size.</summary>
    public static (uint Width, uint Height, long RawBytes) ReadHeader(ReadOnlySpan<byte> file)
    {
        if (file.Length < HeaderEnd || BinaryPrimitives.ReadUInt32BigEndian(file[8..]) != 13 || !file[12..16].SequenceEqual("IHDR"u8))
            throw new ImageException("a PNG file without a header");
        var width = BinaryPrimitives.ReadUInt32BigEndian(file[16..]);
        var height = BinaryPrimitives.ReadUInt32BigEndian(file[20..]);
        int channels = file[25] switch
        {
            0 or 3 => 1,
            2 => 3,
            4 => 2,
            6 => 4,
            var other => throw new ImageException($"a PNG file of colour type {other}"),
        };
        var row = (((long)width * channels * file[24]) + 7) / 8;
        return (width, height, height * (row + 1));
    }

    /// <summary>Inserts notes behind the header.</summary>
    public static byte[] AddText(byte[] file, IReadOnlyList<PngText> notes)
    {
        if (notes.Count == 0)
            return file;
        using var result = new MemoryStream(file.Length + 256);
        result.Write(file, 0, HeaderEnd);
        foreach (var note in notes)
            WriteText(result, note);
        result.Write(file, HeaderEnd, file.Length - HeaderEnd);
        return result.ToArray();
    }

    public static List<PngText> ReadText(ReadOnlySpan<byte> file)
    {
        var notes = new List<PngText>();
        var budget = MostText;
        for (var at = Signature.Length; at < file.Length;)
        {
            var length = FrameAt(file, at);
            var type = file.Slice(at + 4, 4);
            var data = file.Slice(at + 8, length);
            var isText = type.SequenceEqual("tEXt"u8) || type.SequenceEqual("zTXt"u8) || type.SequenceEqual("iTXt"u8);
            if (isText)
            {
                if (Crc(file.Slice(at + 4, length + 4)) != BinaryPrimitives.ReadUInt32BigEndian(file[(at + 8 + length)..]))
                    throw new ImageException("a PNG file with a damaged note");
                notes.Add(ParseText(type, data, ref budget));
            }

            if (type.SequenceEqual("IEND"u8))
                break;
            at += Frame + length;
        }

        return notes;
    }

    /// <summary>Length of the data of the chunk at a place, which must lie wholly in the file.</summary>
    private static int FrameAt(ReadOnlySpan<byte> file, int at)
    {
        if (file.Length - at < Frame)
            throw new ImageException("a PNG file that is cut short");
        var length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
        return length <= file.Length - at - Frame ? (int)length : throw new ImageException("a PNG file that is cut short");
    }

    private static PngText ParseText(ReadOnlySpan<byte> type, ReadOnlySpan<byte> data, ref int budget)
    {
        var keyword = Take(ref data);
        if (type.SequenceEqual("tEXt"u8))
            return new PngText(Encoding.Latin1.GetString(keyword), Encoding.Latin1.GetString(Spend(data, ref budget)));
        if (type.SequenceEqual("zTXt"u8))
        {
            if (data.IsEmpty || data[0] != 0)
                throw new ImageException("a PNG note of an unknown compression");
            return new PngText(Encoding.Latin1.GetString(keyword), Encoding.Latin1.GetString(Inflate(data[1..], ref budget)));
        }

        if (data.Length < 2 || data[0] > 1 || data[1] != 0)
            throw new ImageException("a PNG note of an unknown compression");
        var compressed = data[0] == 1;
        data = data[2..];
        Take(ref data);
        Take(ref data);
        return new PngText(Encoding.Latin1.GetString(keyword), Encoding.UTF8.GetString(compressed ? Inflate(data, ref budget) : Spend(data, ref budget)));
    }

    /// <summary>The bytes up to the next zero, which is passed over.</summary>
    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> data)
    {
        var zero = data.IndexOf((byte)0);
        if (zero < 0)
            throw new ImageException("a PNG note without an end to its keyword");
        var word = data[..zero];
        data = data[(zero + 1)..];
        return word;
    }

    private static ReadOnlySpan<byte> Spend(ReadOnlySpan<byte> data, ref int budget)
    {
        budget -= data.Length;
        return budget >= 0 ? data : throw new ImageException($"a PNG file with more than {MostText} bytes of notes");
    }

    private static byte[] Inflate(ReadOnlySpan<byte> data, ref int budget)
    {
        try
        {
            using var source = new ZLibStream(new MemoryStream(data.ToArray()), CompressionMode.Decompress);
            using var result = new MemoryStream();
            var buffer = new byte[8192];
            for (int read; (read = source.Read(buffer)) > 0;)
                result.Write(Spend(buffer.AsSpan(0, read), ref budget));
            return result.ToArray();
        }
        catch (InvalidDataException fault)
        {
            throw new ImageException("a PNG file with a damaged note", fault);
        }
    }

    private static void WriteText(MemoryStream into, PngText note)
    {
        var keyword = Keyword(note.Keyword);
        if (note.Text.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"the note '{note.Keyword}' holds U+0000", nameof(note));
        var latin = note.Text.All(c => c is '\n' or (>= ' ' and <= '~') or (>= '\u00A1' and <= '\u00FF'));
        using var data = new MemoryStream();
        data.Write(latin ? "tEXt"u8 : "iTXt"u8);
        data.Write(keyword);
        data.Write(latin ? [0] : [0, 0, 0, 0, 0]);
        data.Write((latin ? Encoding.Latin1 : Encoding.UTF8).GetBytes(note.Text));
        var chunk = data.ToArray();
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, chunk.Length - 4);
        into.Write(number);
        into.Write(chunk);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(chunk));
        into.Write(number);
    }

    private static byte[] Keyword(string keyword)
    {
        var good = keyword.Length is >= 1 and <= LongestKeyword
            && keyword.All(c => c is (>= ' ' and <= '~') or (>= '\u00A1' and <= '\u00FF'))
            && keyword.Trim(' ').Length == keyword.Length && !keyword.Contains("  ", StringComparison.Ordinal);
        return good ? Encoding.Latin1.GetBytes(keyword) : throw new ArgumentException($"'{keyword}' is no keyword of a PNG note", nameof(keyword));
    }

    private static uint Crc(ReadOnlySpan<byte> data)
    {
        var crc = 0xFFFFFFFFu;
        foreach (var b in data)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0xEDB88320u;
        }

        return ~crc;
    }
}
