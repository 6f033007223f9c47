using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Mesh.Models.Weights;

/// <summary>
/// A ZIP archive of stored entries, as torch writes them; read-only and distrustful. Whatever a reader could understand in two ways is refused:
/// compression, encryption, several disks, comments, duplicate or unsafe names, local headers that contradict the directory, overlapping entries.
/// </summary>
internal sealed class StoredZip : IDisposable
{
    private const int EndBytes = 22, LocatorBytes = 20, End64Bytes = 56, CentralBytes = 46, LocalBytes = 30;
    private const uint EndMark = 0x06054B50, LocatorMark = 0x07064B50, End64Mark = 0x06064B50, CentralMark = 0x02014B50, LocalMark = 0x04034B50;
    private const int MaxDirectoryBytes = 64 << 20;

    /// <summary>The flags that torch sets: sizes follow the data, names are UTF-8.</summary>
    private const int AllowedFlags = 0x0808;

    private readonly SafeFileHandle _handle;
    private readonly string _path;
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    private StoredZip(SafeFileHandle handle, string path)
    {
        _handle = handle;
        _path = path;
        Length = RandomAccess.GetLength(handle);
    }

    public IReadOnlyDictionary<string, Entry> Entries => _entries;

    /// <summary>Size of the archive in bytes.</summary>
    public long Length { get; }

    public static StoredZip Open(string path)
    {
        SafeFileHandle handle;
        try
        {
            handle = File.OpenHandle(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightFileException($"{path} cannot be read: {e.Message}", e);
        }
        var zip = new StoredZip(handle, path);
        try
        {
            zip.ReadDirectory();
            return zip;
        }
        catch
        {
            zip.Dispose();
            throw;
        }
    }

    /// <summary>Copies bytes of an entry from <paramref name="from"/> on.</summary>
    public void Read(Entry entry, long from, Span<byte> into)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(into.Length, entry.Size - from);
        ReadAt(entry.Start + from, into);
    }

    public void Dispose() => _handle.Dispose();

    private void ReadAt(long at, Span<byte> into)
    {
        while (into.Length > 0)
        {
            int got = RandomAccess.Read(_handle, into, at);
            if (got == 0)
                throw Fault("it is cut short");
            at += got;
            into = into[got..];
        }
    }

    private WeightFileException Fault(string what) => new($"{_path} is no archive that torch writes: {what}");

    private void ReadDirectory()
    {
        Span<byte> end = stackalloc byte[EndBytes];
        if (Length < EndBytes)
            throw Fault("it is cut short");
        ReadAt(Length - EndBytes, end);
        if (U32(end) != EndMark || U16(end[20..]) != 0)
            throw Fault("it does not end with a directory and no comment");
        if (U16(end[4..]) is not (0 or ushort.MaxValue) || U16(end[6..]) is not (0 or ushort.MaxValue) || U16(end[8..]) != U16(end[10..]))
            throw Fault("it spans several disks");
        long count = U16(end[10..]), size = U32(end[12..]), start = U32(end[16..]), directoryEnd = Length - EndBytes;
        bool needs64 = count == ushort.MaxValue || size == uint.MaxValue || start == uint.MaxValue;
        if (!ReadEnd64(ref count, ref size, ref start, ref directoryEnd) && needs64)
            throw Fault("its 64-bit directory is missing");
        if (start < 0 || size < 0 || start > directoryEnd || size != directoryEnd - start)
            throw Fault("its directory does not lie where it says");
        if (size > MaxDirectoryBytes || count < 0 || count > size / CentralBytes)
            throw Fault($"its directory of {size} bytes is too large or too small for {count} entries");
        byte[] directory = new byte[size];
        ReadAt(start, directory);
        var rest = directory.AsSpan();
        for (long i = 0; i < count; i++)
            rest = rest[ReadEntry(rest, start)..];
        if (rest.Length > 0)
            throw Fault("its directory holds more than its entries");
        CheckOverlap();
    }

    private bool ReadEnd64(ref long count, ref long size, ref long start, ref long directoryEnd)
    {
        if (directoryEnd < LocatorBytes + End64Bytes)
            return false;
        Span<byte> locator = stackalloc byte[LocatorBytes];
        ReadAt(directoryEnd - LocatorBytes, locator);
        if (U32(locator) != LocatorMark)
            return false;
        Span<byte> end = stackalloc byte[End64Bytes];
        ReadAt(directoryEnd - LocatorBytes - End64Bytes, end);
        if (I64(locator[8..]) != directoryEnd - LocatorBytes - End64Bytes || U32(end) != End64Mark || I64(end[4..]) != End64Bytes - 12)
            throw Fault("its 64-bit directory does not lie where it says");
        if (U32(locator[4..]) != 0 || U32(locator[16..]) > 1 || U32(end[16..]) != 0 || U32(end[20..]) != 0 || I64(end[24..]) != I64(end[32..]))
            throw Fault("it spans several disks");
        bool agrees = (count == ushort.MaxValue || count == I64(end[32..])) && (size == uint.MaxValue || size == I64(end[40..]))
            && (start == uint.MaxValue || start == I64(end[48..]));
        if (!agrees)
            throw Fault("its two directories disagree");
        (count, size, start) = (I64(end[32..]), I64(end[40..]), I64(end[48..]));
        directoryEnd -= LocatorBytes + End64Bytes;
        return true;
    }

    /// <summary>Reads one directory entry and returns its length.</summary>
    private int ReadEntry(ReadOnlySpan<byte> at, long directoryStart)
    {
        if (at.Length < CentralBytes || U32(at) != CentralMark)
            throw Fault("its directory is malformed");
        int nameBytes = U16(at[28..]), extraBytes = U16(at[30..]), commentBytes = U16(at[32..]), whole = CentralBytes + nameBytes + extraBytes + commentBytes;
        if (at.Length < whole)
            throw Fault("its directory is malformed");
        string name = Name(at.Slice(CentralBytes, nameBytes));
        string quoted = WeightFileException.Quote(name);
        if ((U16(at[8..]) & ~AllowedFlags) != 0)
            throw Fault($"entry {quoted} is encrypted or has unknown flags");
        if (U16(at[10..]) != 0)
            throw Fault($"entry {quoted} is compressed");
        long packed = U32(at[20..]), size = U32(at[24..]), local = U32(at[42..]);
        ReadExtra64(at.Slice(CentralBytes + nameBytes, extraBytes), ref size, ref packed, ref local);
        if (packed != size || size < 0 || U16(at[34..]) != 0)
            throw Fault($"entry {quoted} contradicts itself about its size");
        long start = DataStart(at.Slice(CentralBytes, nameBytes), local, directoryStart, quoted);
        if (size > directoryStart - start)
            throw Fault($"entry {quoted} does not fit in the file");
        if (!_entries.TryAdd(name, new Entry(name, start, size, U32(at[16..]), local)))
            throw Fault($"entry {quoted} stands twice");
        return whole;
    }

    private string Name(ReadOnlySpan<byte> bytes)
    {
        if (!System.Text.Unicode.Utf8.IsValid(bytes))
            throw Fault("an entry's name is not UTF-8");
        string name = Encoding.UTF8.GetString(bytes);
        bool safe = name.Length > 0 && name[0] != '/' && name.AsSpan().IndexOfAny("\\:\0") < 0 && !name.Split('/').Any(p => p is "" or "." or "..");
        return safe ? name : throw Fault($"entry {WeightFileException.Quote(name)} has an unsafe name");
    }

    /// <summary>The 64-bit values that replace those fields of the directory entry that are all ones, in this order.</summary>
    private void ReadExtra64(ReadOnlySpan<byte> extra, ref long size, ref long packed, ref long local)
    {
        bool needsSize = size == uint.MaxValue, needsPacked = packed == uint.MaxValue, needsLocal = local == uint.MaxValue;
        bool found = false;
        while (extra.Length > 0)
        {
            if (extra.Length < 4 || extra.Length < 4 + U16(extra[2..]))
                throw Fault("an entry's extra field is malformed");
            var field = extra.Slice(4, U16(extra[2..]));
            if (U16(extra) == 1)
            {
                int needed = (needsSize ? 8 : 0) + (needsPacked ? 8 : 0) + (needsLocal ? 8 : 0);
                if (found || field.Length < needed)
                    throw Fault("an entry's 64-bit sizes are malformed");
                found = true;
                size = needsSize ? Take(ref field) : size;
                packed = needsPacked ? Take(ref field) : packed;
                local = needsLocal ? Take(ref field) : local;
            }
            extra = extra[(4 + U16(extra[2..]))..];
        }
        if (!found && (needsSize || needsPacked || needsLocal))
            throw Fault("an entry's 64-bit sizes are missing");
    }

    private static long Take(ref ReadOnlySpan<byte> field)
    {
        long value = I64(field);
        field = field[8..];
        return value;
    }

    private long DataStart(ReadOnlySpan<byte> name, long local, long directoryStart, string quoted)
    {
        if (local < 0 || local > directoryStart - LocalBytes)
            throw Fault($"entry {quoted} does not lie in the file");
        Span<byte> header = stackalloc byte[LocalBytes];
        ReadAt(local, header);
        if (U32(header) != LocalMark || U16(header[8..]) != 0 || (U16(header[6..]) & ~AllowedFlags) != 0 || U16(header[26..]) != name.Length)
            throw Fault($"entry {quoted} has another header than the directory says");
        byte[] there = new byte[name.Length];
        ReadAt(local + LocalBytes, there);
        if (!name.SequenceEqual(there))
            throw Fault($"entry {quoted} has another name in its own header");
        long start = local + LocalBytes + name.Length + U16(header[28..]);
        return start <= directoryStart ? start : throw Fault($"entry {quoted} does not fit in the file");
    }

    private void CheckOverlap()
    {
        long free = 0;
        foreach (var entry in _entries.Values.OrderBy(e => e.Local))
        {
            if (entry.Local < free)
                throw Fault($"entry {WeightFileException.Quote(entry.Name)} overlaps another");
            free = entry.Start + entry.Size;
        }
    }

    private static int U16(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadUInt16LittleEndian(at);

    private static uint U32(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadUInt32LittleEndian(at);

    private static long I64(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadInt64LittleEndian(at);

    /// <summary>One entry: where its bytes lie, how many they are, their CRC-32, and where its own header begins.</summary>
    public sealed record Entry(string Name, long Start, long Size, uint Crc, long Local);
}
