using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Mesh.Models.Tests.Weights;

/// <summary>Writes pickles opcode by opcode.</summary>
internal sealed class PickleBuilder
{
    private readonly List<byte> _bytes = [0x80, 2];

    public byte[] Done() => [.. _bytes, (byte)'.'];

    public PickleBuilder Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public PickleBuilder Op(char opcode) => Raw((byte)opcode);

    public PickleBuilder Global(string module, string name) => Raw(Encoding.UTF8.GetBytes($"c{module}\n{name}\n"));

    public PickleBuilder Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        return Op('X').Raw(length).Raw(bytes);
    }

    public PickleBuilder Int(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return value is >= 0 and < 256 ? Op('K').Raw((byte)value) : Op('J').Raw(bytes);
    }

    public PickleBuilder Tuple(params ReadOnlySpan<int> values)
    {
        Op('(');
        foreach (int value in values)
            Int(value);
        return Op('t');
    }

    /// <summary>A call of the function that makes a tensor of a storage.</summary>
    public PickleBuilder Tensor(string key, string storage, int count, int offset, int[] shape, int[] strides)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Op('(');
        Op('(').Text("storage").Global("torch", storage).Text(key).Text("cpu").Int(count).Op('t').Op('Q');
        Int(offset).Tuple(shape).Tuple(strides).Raw(0x89);
        return Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');
    }

    /// <summary>A dictionary of one tensor "a" that covers a storage of floats.</summary>
    public static byte[] OneTensor(int count = 4) =>
        new PickleBuilder().Op('}').Text("a").Tensor("0", "FloatStorage", count, 0, [count], [1]).Op('s').Done();
}

/// <summary>Writes archives of stored entries as torch does, or wrongly where a test says so.</summary>
internal sealed class ZipBuilder
{
    private readonly MemoryStream _file = new();
    private readonly List<(byte[] Name, int Start, byte[] Content, uint Crc, int Method, int Flags)> _entries = [];

    /// <summary>Bytes before the end record; a 64-bit directory where set.</summary>
    public bool With64BitDirectory { get; init; }

    public static byte[] OfPickle(byte[] pickle, params (string Key, byte[] Content)[] storages)
    {
        var zip = new ZipBuilder().Add("archive/data.pkl", pickle).Add("archive/byteorder", "little"u8).Add("archive/version", "3\n"u8);
        foreach (var (key, content) in storages)
            zip.Add(string.Create(CultureInfo.InvariantCulture, $"archive/data/{key}"), content);
        return zip.Done();
    }

    public ZipBuilder Add(string name, ReadOnlySpan<byte> content, int method = 0, int flags = 0x0808, string? localName = null, uint? crc = null)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name), local = Encoding.UTF8.GetBytes(localName ?? name);
        _entries.Add((bytes, (int)_file.Length, content.ToArray(), crc ?? Crc(content), method, flags));
        Span<byte> header = stackalloc byte[30];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034B50);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], (ushort)flags);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], (ushort)method);
        BinaryPrimitives.WriteUInt16LittleEndian(header[26..], (ushort)local.Length);
        _file.Write(header);
        _file.Write(local);
        _file.Write(content);
        return this;
    }

    public byte[] Done(int count = -1, int shift = 0, string comment = "")
    {
        long start = _file.Length;
        foreach (var entry in _entries)
            WriteEntry(entry, shift);
        long size = _file.Length - start;
        count = count < 0 ? _entries.Count : count;
        if (With64BitDirectory)
            WriteEnd64(start, size, count);
        Span<byte> end = stackalloc byte[22];
        end.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054B50);
        BinaryPrimitives.WriteUInt16LittleEndian(end[8..], (ushort)count);
        BinaryPrimitives.WriteUInt16LittleEndian(end[10..], (ushort)count);
        BinaryPrimitives.WriteUInt32LittleEndian(end[12..], With64BitDirectory ? uint.MaxValue : (uint)size);
        BinaryPrimitives.WriteUInt32LittleEndian(end[16..], With64BitDirectory ? uint.MaxValue : (uint)start);
        BinaryPrimitives.WriteUInt16LittleEndian(end[20..], (ushort)comment.Length);
        _file.Write(end);
        _file.Write(Encoding.ASCII.GetBytes(comment));
        return _file.ToArray();
    }

    private void WriteEntry((byte[] Name, int Start, byte[] Content, uint Crc, int Method, int Flags) entry, int shift)
    {
        Span<byte> header = stackalloc byte[46];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x02014B50);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], (ushort)entry.Flags);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], (ushort)entry.Method);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], entry.Crc);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], (uint)entry.Content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], (uint)entry.Content.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], (ushort)entry.Name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[42..], (uint)(entry.Start + shift));
        _file.Write(header);
        _file.Write(entry.Name);
    }

    private void WriteEnd64(long start, long size, int count)
    {
        long at = _file.Length;
        Span<byte> end = stackalloc byte[76];
        end.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06064B50);
        BinaryPrimitives.WriteInt64LittleEndian(end[4..], 44);
        BinaryPrimitives.WriteInt64LittleEndian(end[24..], count);
        BinaryPrimitives.WriteInt64LittleEndian(end[32..], count);
        BinaryPrimitives.WriteInt64LittleEndian(end[40..], size);
        BinaryPrimitives.WriteInt64LittleEndian(end[48..], start);
        BinaryPrimitives.WriteUInt32LittleEndian(end[56..], 0x07064B50);
        BinaryPrimitives.WriteInt64LittleEndian(end[64..], at);
        BinaryPrimitives.WriteUInt32LittleEndian(end[72..], 1);
        _file.Write(end);
    }

    /// <summary>CRC-32 bit by bit, by its definition.</summary>
    private static uint Crc(ReadOnlySpan<byte> data)
    {
        uint sum = uint.MaxValue;
        foreach (byte b in data)
        {
            sum ^= b;
            for (int bit = 0; bit < 8; bit++)
                sum = (sum & 1) != 0 ? (sum >> 1) ^ 0xEDB88320 : sum >> 1;
        }
        return ~sum;
    }
}
