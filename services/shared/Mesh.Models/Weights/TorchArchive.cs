using System.Globalization;
using System.Text;

namespace Mesh.Models.Weights;

/// <summary>
/// The tensors of a file that <c>torch.save</c> wrote of a flat dictionary (.bin, .pt, .pth, .ckpt; torch 1.6 and later).
/// Read without running anything in it; whatever such a dictionary does not need is refused.
/// </summary>
public sealed class TorchArchive : IDisposable
{
    private const int MaxPickleBytes = 32 << 20;
    private const int MaxSmallBytes = 256;
    private const int PieceBytes = 1 << 20;

    private readonly StoredZip _zip;
    private readonly string _path;
    private readonly string _root;
    private readonly Dictionary<string, PickledTensor> _tensors;

    private TorchArchive(StoredZip zip, string path, string root, Dictionary<string, PickledTensor> tensors)
    {
        _zip = zip;
        _path = path;
        _root = root;
        _tensors = tensors;
    }

    /// <summary>Shapes and types by name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Entries => _tensors.ToDictionary(t => t.Key, t => Entry(t.Value), StringComparer.Ordinal);

    /// <summary>Opens and checks a file whole, the sums of its data included.</summary>
    /// <exception cref="WeightFileException">Anything in the file is not what a flat dictionary of tensors needs.</exception>
    public static TorchArchive Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckKind(path);
        var zip = StoredZip.Open(path);
        try
        {
            string root = CheckNames(zip, path);
            CheckMarkers(zip, root, path);
            var pickle = zip.Entries[root + "data.pkl"];
            if (pickle.Size > MaxPickleBytes)
                throw new WeightFileException($"{path}: a pickle of {pickle.Size} bytes is more than a dictionary of tensors can need");
            var tensors = PickleReader.Read(ReadWhole(zip, pickle), path);
            CheckStorages(zip, root, path, tensors);
            return new TorchArchive(zip, path, root, new(tensors, StringComparer.Ordinal));
        }
        catch
        {
            zip.Dispose();
            throw;
        }
    }

    /// <summary>Writes every tensor, contiguous, into a safetensors file and returns that file's SHA-256.</summary>
    public string Convert(string path) => SafetensorsWriter.Write(path,
        [.. _tensors.Select(t => new TensorToWrite(t.Key, t.Value.Storage.DType, t.Value.Shape, s => Write(t.Value, s)))],
        new Dictionary<string, string> { ["format"] = "pt" });

    /// <inheritdoc/>
    public void Dispose() => _zip.Dispose();

    private static TensorEntry Entry(PickledTensor tensor)
    {
        var entry = new TensorEntry(tensor.Storage.DType, tensor.Shape);
        return entry with { End = entry.Count * (tensor.Storage.DType.Bits() / 8) };
    }

    private static void CheckKind(string path)
    {
        byte[] start = new byte[LfsPointer.MaxBytes + 1];
        int got;
        try
        {
            using var file = File.OpenRead(path);
            got = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightFileException($"{path} cannot be read: {e.Message}", e);
        }
        var head = start.AsSpan(0, got);
        if (LfsPointer.TryParse(head) is { } pointer)
            throw pointer.Fault(path);
        if (FileSignature.IsZip(head))
            return;
        if (FileSignature.IsBarePickle(head))
            throw new WeightFileException($"{path} is a pickle of before torch 1.6, which is not read: save it again with a current torch");
        if (got > 262 && head[257..].StartsWith("ustar"u8))
            throw new WeightFileException($"{path} is a TAR archive of the first torch releases, which is not read");
        throw new WeightFileException($"{path} is not a file that torch saves");
    }

    private static string CheckNames(StoredZip zip, string path)
    {
        string? pickle = zip.Entries.Keys.FirstOrDefault(n => n.EndsWith("/data.pkl", StringComparison.Ordinal));
        if (pickle is null || pickle.IndexOf('/', StringComparison.Ordinal) != pickle.Length - "/data.pkl".Length)
            throw new WeightFileException($"{path} is an archive without ROOT/data.pkl, not a file that torch saves");
        string root = pickle[..^"data.pkl".Length];
        foreach (string name in zip.Entries.Keys)
        {
            string inside = name.StartsWith(root, StringComparison.Ordinal) ? name[root.Length..] : "";
            if (inside == "constants.pkl" || inside.StartsWith("code/", StringComparison.Ordinal))
                throw new WeightFileException($"{path} is a TorchScript program, not a file of tensors: it is refused");
            bool expected = inside is "data.pkl" or "version" or "byteorder" or ".format_version" or ".storage_alignment" or ".data/serialization_id"
                || inside.StartsWith("data/", StringComparison.Ordinal) && inside.Length is > 5 and <= 15 && inside[5..].All(char.IsAsciiDigit);
            if (!expected)
                throw new WeightFileException($"{path} holds the entry {WeightFileException.Quote(name)}, which a file of tensors does not need: it is refused");
        }
        return root;
    }

    private static void CheckMarkers(StoredZip zip, string root, string path)
    {
        if (!zip.Entries.TryGetValue(root + "version", out var version))
            throw new WeightFileException($"{path} has no version entry: it is not a file that torch saves");
        string number = SmallText(zip, version, path);
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int value) || value is < 1 or > 10)
            throw new WeightFileException($"{path} has the unknown version {WeightFileException.Quote(number)}");
        if (zip.Entries.TryGetValue(root + "byteorder", out var order) && SmallText(zip, order, path) is var text && text != "little")
            throw new WeightFileException($"{path} has the byte order {WeightFileException.Quote(text)}; only little-endian files are read");
    }

    private static string SmallText(StoredZip zip, StoredZip.Entry entry, string path) => entry.Size <= MaxSmallBytes
        ? Encoding.Latin1.GetString(ReadWhole(zip, entry)).Trim()
        : throw new WeightFileException($"{path}: entry {WeightFileException.Quote(entry.Name)} is too large");

    private static byte[] ReadWhole(StoredZip zip, StoredZip.Entry entry)
    {
        byte[] content = new byte[entry.Size];
        zip.Read(entry, 0, content);
        CheckSum(entry, Crc32.Append(0, content));
        return content;
    }

    private static void CheckSum(StoredZip.Entry entry, uint crc)
    {
        if (crc != entry.Crc)
            throw new WeightFileException($"entry {WeightFileException.Quote(entry.Name)} is damaged: its CRC-32 is {crc:x8} instead of {entry.Crc:x8}");
    }

    private static void CheckStorages(StoredZip zip, string root, string path, List<KeyValuePair<string, PickledTensor>> tensors)
    {
        long written = 0;
        byte[] buffer = new byte[PieceBytes];
        foreach (var (_, tensor) in tensors)
            written = checked(written + Entry(tensor).Bytes);
        if (written > 4 * zip.Length)
            throw new WeightFileException($"{path}: tensors of {written} bytes in a file of {zip.Length} share their storage too often: it is refused");
        foreach (var storage in tensors.Select(t => t.Value.Storage).Distinct())
        {
            string name = $"{root}data/{storage.Key}";
            if (!zip.Entries.TryGetValue(name, out var entry))
                throw new WeightFileException($"{path} has no entry {name} for a storage that its pickle names");
            if (storage.Count > long.MaxValue / 8 || entry.Size != storage.Count * (storage.DType.Bits() / 8))
            {
                throw new WeightFileException($"{path}: entry {name} has {entry.Size} bytes, "
                    + $"its pickle says {storage.Count} elements of {storage.DType.Name()}");
            }
            uint crc = 0;
            for (long at = 0; at < entry.Size;)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Size - at));
                zip.Read(entry, at, piece);
                crc = Crc32.Append(crc, piece);
                at += piece.Length;
            }
            CheckSum(entry, crc);
        }
    }

    private void Write(PickledTensor tensor, Stream stream)
    {
        var entry = _zip.Entries[$"{_root}data/{tensor.Storage.Key}"];
        int size = tensor.Storage.DType.Bits() / 8;
        long count = Entry(tensor).Count;
        if (count == 0)
            return;
        if (IsContiguous(tensor))
        {
            byte[] buffer = new byte[Math.Min(PieceBytes, count * size)];
            for (long at = 0; at < count * size;)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, count * size - at));
                _zip.Read(entry, tensor.Offset * size + at, piece);
                stream.Write(piece);
                at += piece.Length;
            }
            return;
        }
        if (entry.Size > Array.MaxLength)
            throw new WeightFileException($"{_path}: a strided tensor in a storage of {entry.Size} bytes is too large to be put in order");
        byte[] storage = new byte[entry.Size];
        _zip.Read(entry, 0, storage);
        Gather(tensor, size, count, storage, stream);
    }

    private static bool IsContiguous(PickledTensor tensor)
    {
        long expected = 1;
        for (int i = tensor.Shape.Length - 1; i >= 0; i--)
        {
            if (tensor.Shape[i] != 1 && tensor.Strides[i] != expected)
                return false;
            expected *= tensor.Shape[i];
        }
        return true;
    }

    /// <summary>Writes the elements in row-major order, whatever their strides.</summary>
    private static void Gather(PickledTensor tensor, int size, long count, byte[] storage, Stream stream)
    {
        byte[] buffer = new byte[Math.Min(PieceBytes, count * size)];
        long[] index = new long[tensor.Shape.Length];
        long at = tensor.Offset;
        int filled = 0;
        for (long done = 0; done < count; done++)
        {
            storage.AsSpan((int)(at * size), size).CopyTo(buffer.AsSpan(filled));
            filled += size;
            if (filled == buffer.Length || done == count - 1)
            {
                stream.Write(buffer, 0, filled);
                filled = 0;
            }
            for (int axis = index.Length - 1; axis >= 0; axis--)
            {
                at += tensor.Strides[axis];
                if (++index[axis] < tensor.Shape[axis])
                    break;
                at -= tensor.Shape[axis] * tensor.Strides[axis];
                index[axis] = 0;
            }
        }
    }
}
