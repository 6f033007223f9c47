using System.Text.Json;
using System.Text.Unicode;

namespace Mesh.Models.Weights;

/// <summary>The JSON header of a safetensors file, read strictly: what the format does not allow is refused, not repaired.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Longest header that the format allows, in bytes.</summary>
    public const long MaxBytes = 100_000_000;

    public const string MetadataKey = "__metadata__";

    private const int MaxDepth = 128;

    private readonly Dictionary<string, TensorEntry> _entries = new(StringComparer.Ordinal);
    private Dictionary<string, string>? _metadata;

    public IReadOnlyDictionary<string, TensorEntry> Entries => _entries;

    /// <summary>The file's own remarks, or null where it has none.</summary>
    public IReadOnlyDictionary<string, string>? Metadata => _metadata;

    /// <summary>Reads <paramref name="json"/> for a file whose data part is <paramref name="dataBytes"/> long.</summary>
    /// <exception cref="WeightFileException">The header breaks a rule of the format.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string path)
    {
        if (json.Length == 0 || json[0] != (byte)'{')
            throw Fault(path, "the header does not begin with '{'");
        if (!Utf8.IsValid(json))
            throw Fault(path, "the header is not valid UTF-8");
        var header = new SafetensorsHeader();
        try
        {
            header.ReadRoot(json, path);
        }
        catch (JsonException e)
        {
            throw new WeightFileException($"{path}: the header is not valid JSON: {WeightFileException.Quote(e.Message)}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new WeightFileException($"{path}: the header holds text that is no Unicode string", e);
        }
        header.CheckRanges(dataBytes, path);
        return header;
    }

    private static WeightFileException Fault(string path, string what) => new($"{path}: {what}");

    private void ReadRoot(ReadOnlySpan<byte> json, string path)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == MetadataKey)
                ReadMetadata(ref reader, path);
            else if (!_entries.TryAdd(name, ReadEntry(ref reader, name, path)))
                throw Fault(path, $"tensor {WeightFileException.Quote(name)} stands twice in the header");
        }
        while (reader.Read())
            throw Fault(path, "text follows the header's JSON object");
    }

    private void ReadMetadata(ref Utf8JsonReader reader, string path)
    {
        if (_metadata is not null)
            throw Fault(path, $"{MetadataKey} stands twice in the header");
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Fault(path, $"{MetadataKey} is not an object");
        _metadata = new(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Fault(path, $"{MetadataKey} value {WeightFileException.Quote(key)} is not a string");
            if (!_metadata.TryAdd(key, reader.GetString()!))
                throw Fault(path, $"{MetadataKey} key {WeightFileException.Quote(key)} stands twice");
        }
    }

    private static TensorEntry ReadEntry(ref Utf8JsonReader reader, string name, string path)
    {
        string tensor = $"tensor {WeightFileException.Quote(name)}";
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Fault(path, $"{tensor} is not described by an object");
        DType? type = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string field = reader.GetString()!;
            reader.Read();
            bool twice = false;
            switch (field)
            {
                case "dtype":
                    twice = type is not null;
                    type = ReadType(ref reader, tensor, path);
                    break;
                case "shape":
                    twice = shape is not null;
                    shape = ReadNumbers(ref reader, $"{tensor}: shape", path);
                    break;
                case "data_offsets":
                    twice = offsets is not null;
                    offsets = ReadNumbers(ref reader, $"{tensor}: data_offsets", path);
                    break;
                default:
                    reader.Skip();
                    break;
            }
            if (twice)
                throw Fault(path, $"{tensor} has {field} twice");
        }
        if (type is null || shape is null || offsets is null)
            throw Fault(path, $"{tensor} lacks {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
        if (offsets.Count != 2)
            throw Fault(path, $"{tensor} has {offsets.Count} data_offsets instead of 2");
        var entry = new TensorEntry(type.Value, [.. shape], offsets[0], offsets[1]);
        CheckSize(entry, tensor, path);
        return entry;
    }

    private static DType ReadType(ref Utf8JsonReader reader, string tensor, string path)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Fault(path, $"{tensor}: dtype is not a string");
        string name = reader.GetString()!;
        return DTypes.TryParse(name, out var type) ? type : throw Fault(path, $"{tensor} has the unknown dtype {WeightFileException.Quote(name)}");
    }

    private static List<long> ReadNumbers(ref Utf8JsonReader reader, string what, string path)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Fault(path, $"{what} is not a list");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0 || reader.ValueSpan[0] == (byte)'-')
                throw Fault(path, $"{what} holds something else than integers from 0 to 2^63-1");
            numbers.Add(number);
        }
        return numbers;
    }

    private static void CheckSize(TensorEntry entry, string tensor, string path)
    {
        if (entry.End < entry.Begin)
            throw Fault(path, $"{tensor} ends at {entry.End}, before it begins at {entry.Begin}");
        ulong bits;
        try
        {
            ulong count = 1;
            foreach (long size in entry.Shape)
                count = checked(count * (ulong)size);
            bits = checked(count * (ulong)entry.DType.Bits());
        }
        catch (OverflowException e)
        {
            throw new WeightFileException($"{path}: {tensor}: the size of shape {WeightFileException.Shape(entry.Shape)} overflows", e);
        }
        if (bits % 8 != 0)
            throw Fault(path, $"{tensor}: {bits} bits are not a whole number of bytes");
        if (bits / 8 != (ulong)entry.Bytes)
        {
            throw Fault(path, $"{tensor}: {entry.DType.Name()} {WeightFileException.Shape(entry.Shape)} needs {bits / 8} bytes, "
                + $"its data_offsets hold {entry.Bytes}");
        }
    }

    /// <summary>The tensors must cover the data exactly: from 0, without holes or overlap, to the end of the file.</summary>
    private void CheckRanges(long dataBytes, string path)
    {
        long at = 0;
        foreach (var (name, entry) in _entries.OrderBy(p => p.Value.Begin).ThenBy(p => p.Value.End))
        {
            if (entry.Begin != at)
            {
                string fault = entry.Begin > at ? "leaves a hole before it" : "overlaps another tensor";
                throw Fault(path, $"tensor {WeightFileException.Quote(name)} begins at {entry.Begin} instead of {at}: it {fault}");
            }
            at = entry.End;
        }
        if (at > dataBytes)
            throw Fault(path, $"the tensors need {at} bytes of data, the file holds {dataBytes}: it is cut short");
        if (at < dataBytes)
            throw Fault(path, $"{dataBytes - at} bytes follow the last tensor");
    }
}
