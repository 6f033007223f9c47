using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;
using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>
/// A safetensors file: memory-mapped, its header checked whole before anything else is read.
/// Tensor data may start at any address; it is mapped piece by piece and copied, so that loading never holds the file twice in memory.
/// Not safe for use after <see cref="Dispose"/>; reading from several threads is.
/// </summary>
public sealed class SafetensorsFile : IWeightSource
{
    /// <summary>Bytes that are mapped and copied at once.</summary>
    internal const int PieceBytes = 16 << 20;

    private readonly SafeFileHandle _handle;
    private readonly MemoryMappedFile? _map;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header, long dataStart, long length)
    {
        Path = path;
        Length = length;
        _handle = handle;
        _header = header;
        _dataStart = dataStart;
        if (length > dataStart)
            _map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
    }

    /// <summary>Where the file lies.</summary>
    public string Path { get; }

    /// <summary>Size of the whole file in bytes.</summary>
    public long Length { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Entries => _header.Entries;

    /// <summary>The file's own remarks (<c>__metadata__</c>), or null where it has none.</summary>
    public IReadOnlyDictionary<string, string>? Metadata => _header.Metadata;

    /// <inheritdoc/>
    public string Origin => Path;

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="WeightFileException">The file is missing, is no safetensors file (a pickle, a git-LFS pointer), or breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path);
            long length = RandomAccess.GetLength(handle);
            var header = ReadHeader(handle, length, path, out long dataStart);
            return new SafetensorsFile(path, handle, header, dataStart, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            throw new WeightFileException($"{path} cannot be read: {e.Message}", e);
        }
        catch
        {
            handle?.Dispose();
            throw;
        }
    }

    /// <summary>Copies raw bytes of a tensor, as they lie on disk (little-endian, row-major), from byte <paramref name="from"/> of it on.</summary>
    /// <exception cref="WeightFileException">No such tensor.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The tensor has fewer bytes than asked for.</exception>
    public void ReadBytes(string name, long from, Span<byte> destination)
    {
        var entry = Entry(name);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, entry.Bytes - from);
        if (destination.Length == 0)
            return;
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        using var view = _map!.CreateViewAccessor(_dataStart + entry.Begin + from, destination.Length, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.ReadSpan((ulong)view.PointerOffset, destination);
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name, torch.ScalarType dtype)
    {
        var entry = Entry(name);
        _ = CarrierOf(name, entry);
        var tensor = torch.empty(entry.Shape, dtype: dtype, device: torch.CPU);
        try
        {
            CopyTo(name, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void CopyTo(string name, torch.Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var entry = Entry(name);
        var carrier = CarrierOf(name, entry);
        if (target.numel() != entry.Count)
        {
            throw new WeightFileException($"{Path}: {WeightFileException.Quote(name)} has shape {WeightFileException.Shape(entry.Shape)}, "
                + $"which does not fit {WeightFileException.Shape(target.shape)}");
        }
        if (!Converts(carrier, target.dtype))
            throw new WeightFileException($"{Path}: {WeightFileException.Quote(name)} is {entry.DType.Name()} and cannot become {target.dtype}");
        if (entry.Count == 0)
            return;
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        bool dense = target.is_contiguous();
        var flat = (dense ? target : torch.empty(target.shape, dtype: target.dtype, device: torch.CPU)).reshape(-1);
        CopyPieces(name, entry, carrier, flat);
        if (!dense)
            target.copy_(flat.reshape(target.shape));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _map?.Dispose();
        _handle.Dispose();
    }

    private void CopyPieces(string name, TensorEntry entry, torch.ScalarType carrier, torch.Tensor flat)
    {
        int size = entry.DType.Bits() / 8;
        bool direct = flat.dtype == carrier && flat.device_type == DeviceType.CPU;
        byte[] raw = ElementDecoder.IsPlain(entry.DType) ? [] : new byte[Math.Min(PieceBytes, entry.Bytes)];
        for (long done = 0; done < entry.Count;)
        {
            long count = Math.Min(PieceBytes / size, entry.Count - done);
            using var part = flat.narrow(0, done, count);
            using var staging = direct ? null : torch.empty(count, dtype: carrier, device: torch.CPU);
            var into = (staging ?? part).bytes;
            if (raw.Length == 0)
            {
                ReadBytes(name, done * size, into);
            }
            else
            {
                var piece = raw.AsSpan(0, (int)(count * size));
                ReadBytes(name, done * size, piece);
                ElementDecoder.Decode(entry.DType, piece, into, $"{Path}: {WeightFileException.Quote(name)}");
            }
            if (staging is not null)
                part.copy_(staging);
            done += count;
        }
    }

    /// <summary>Numbers become floating-point ones of any width; integers also wider integers. Nothing else changes its kind.</summary>
    private static bool Converts(torch.ScalarType from, torch.ScalarType to)
    {
        bool isNumber = from is not torch.ScalarType.Bool && !torch.is_complex(from);
        return from == to || isNumber && torch.is_floating_point(to)
            || isNumber && !torch.is_floating_point(from) && to == torch.ScalarType.Int64
            || from is (torch.ScalarType.Int8 or torch.ScalarType.Byte or torch.ScalarType.Int16) && to == torch.ScalarType.Int32;
    }

    private TensorEntry Entry(string name) => Entries.TryGetValue(name, out var entry)
        ? entry
        : throw new WeightFileException($"{Path} has no tensor {WeightFileException.Quote(name)}");

    private torch.ScalarType CarrierOf(string name, TensorEntry entry) => entry.DType.Carrier()
        ?? throw new WeightFileException($"{Path}: {WeightFileException.Quote(name)} has the element type {entry.DType.Name()}, which is not supported");

    private static SafetensorsHeader ReadHeader(SafeFileHandle handle, long length, string path, out long dataStart)
    {
        Span<byte> start = stackalloc byte[LfsPointer.MaxBytes + 1];
        int got = RandomAccess.Read(handle, start, 0);
        FileSignature.ThrowIfForeign(start[..got], path);
        if (got < sizeof(ulong))
            throw new WeightFileException($"{path}: {got} bytes are too few for a safetensors file");
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (headerBytes > SafetensorsHeader.MaxBytes)
            throw new WeightFileException($"{path}: a header of {headerBytes} bytes is over the limit of {SafetensorsHeader.MaxBytes}; this is no safetensors file");
        dataStart = sizeof(ulong) + (long)headerBytes;
        if (dataStart > length)
            throw new WeightFileException($"{path}: the header of {headerBytes} bytes does not fit in the file's {length}: it is cut short");
        byte[] json = new byte[headerBytes];
        for (int at = 0; at < json.Length; at += got)
        {
            got = RandomAccess.Read(handle, json.AsSpan(at), sizeof(ulong) + at);
            if (got == 0)
                throw new WeightFileException($"{path} shrank while its header was read");
        }
        return SafetensorsHeader.Parse(json, length - dataStart, path);
    }
}
