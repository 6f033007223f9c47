using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>A tensor to be written: its entry and a way to produce its bytes (little-endian, row-major) when their turn comes.</summary>
/// <param name="Name">Any name but <c>__metadata__</c>.</param>
/// <param name="DType">Element type on disk.</param>
/// <param name="Shape">Sizes; empty for a scalar.</param>
/// <param name="Write">Writes exactly the tensor's bytes.</param>
public sealed record TensorToWrite(string Name, DType DType, long[] Shape, Action<Stream> Write);

/// <summary>
/// Writes safetensors files: header padded so that the data is aligned to 8 bytes, tensors by falling element type and then by name,
/// first into a temporary file beside the target, which takes its place only when it is complete and on disk.
/// </summary>
public static class SafetensorsWriter
{
    private const int Alignment = 8;

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes tensors in their own types and returns the file's SHA-256, 64 lower-case hex digits.</summary>
    /// <param name="path">The file, replaced where it exists.</param>
    /// <param name="tensors">By name; any device, any strides.</param>
    /// <param name="metadata">Remarks; null for the customary <c>{"format": "pt"}</c>.</param>
    public static string Write(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return Write(path, [.. tensors.Select(t => new TensorToWrite(t.Key, DTypes.FromScalarType(t.Value.dtype), t.Value.shape, s => CopyTensor(t.Value, s)))],
            metadata ?? new Dictionary<string, string> { ["format"] = "pt" });
    }

    /// <summary>Writes tensors from wherever they come and returns the file's SHA-256, 64 lower-case hex digits.</summary>
    /// <exception cref="ArgumentException">A name stands twice or is reserved, or a tensor wrote another number of bytes than its shape asks for.</exception>
    /// <exception cref="IOException">The file cannot be written; the one that stood there before is untouched.</exception>
    public static string Write(string path, IReadOnlyCollection<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        var ordered = tensors.OrderByDescending(t => t.DType).ThenBy(t => t.Name, StringComparer.Ordinal).ToList();
        byte[] header = Header(ordered, metadata);
        string target = Path.GetFullPath(path);
        string temporary = $"{target}.{Environment.ProcessId:x}-{Guid.NewGuid():n}.tmp";
        try
        {
            string hash;
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20))
            {
                using var hashed = new HashingStream(file);
                hashed.Write(header);
                foreach (var tensor in ordered)
                    WriteOne(tensor, hashed);
                hash = hashed.Finish();
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
            return hash;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static void WriteOne(TensorToWrite tensor, HashingStream stream)
    {
        long before = stream.Position, bytes = Bytes(tensor);
        tensor.Write(stream);
        if (stream.Position - before != bytes)
            throw new ArgumentException($"tensor {WeightFileException.Quote(tensor.Name)} wrote {stream.Position - before} bytes instead of {bytes}", nameof(tensor));
    }

    private static long Bytes(TensorToWrite tensor)
    {
        long bits = tensor.Shape.Aggregate((long)tensor.DType.Bits(), (product, size) => checked(product * size));
        return bits % 8 == 0
            ? bits / 8
            : throw new ArgumentException($"tensor {WeightFileException.Quote(tensor.Name)} is not a whole number of bytes", nameof(tensor));
    }

    private static byte[] Header(List<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        buffer.Write(stackalloc byte[sizeof(ulong)]);
        using (var json = new Utf8JsonWriter(buffer, JsonOptions))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(SafetensorsHeader.MetadataKey);
                foreach (var (key, value) in metadata.OrderBy(p => p.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataKey };
            long at = 0;
            foreach (var tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new ArgumentException($"the name {WeightFileException.Quote(tensor.Name)} stands twice or is reserved", nameof(tensors));
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.DType.Name());
                WriteNumbers(json, "shape", tensor.Shape);
                WriteNumbers(json, "data_offsets", at, at += Bytes(tensor));
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % Alignment != 0)
            buffer.WriteByte((byte)' ');
        if (buffer.Length - sizeof(ulong) > SafetensorsHeader.MaxBytes)
            throw new ArgumentException($"{tensors.Count} tensors need a header over the format's limit of {SafetensorsHeader.MaxBytes} bytes", nameof(tensors));
        byte[] header = buffer.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - sizeof(ulong)));
        return header;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, params ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static void CopyTensor(torch.Tensor tensor, Stream stream)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var flat = tensor.detach().reshape(-1);
        long most = SafetensorsFile.PieceBytes / tensor.element_size();
        for (long done = 0; done < flat.numel(); done += most)
        {
            using var part = flat.narrow(0, done, Math.Min(most, flat.numel() - done));
            using var here = part.cpu().contiguous();
            stream.Write(here.bytes);
        }
    }

    /// <summary>Passes writes on, counting and hashing them.</summary>
    private sealed class HashingStream(Stream inner) : Stream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long _written;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _written;

        public override long Position
        {
            get => _written;
            set => throw new NotSupportedException();
        }

        public string Finish()
        {
            inner.Flush();
            return Convert.ToHexStringLower(_hash.GetHashAndReset());
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            inner.Write(buffer);
            _hash.AppendData(buffer);
            _written += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _hash.Dispose();
            base.Dispose(disposing);
        }
    }
}
