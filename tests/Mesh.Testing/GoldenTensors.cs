using System.Runtime.InteropServices;
using System.Text.Json;

namespace Mesh.Testing;

/// <summary>The tensors of a small safetensors file as plain arrays, for tests of code that knows no tensors.</summary>
public sealed class GoldenTensors
{
    private readonly Dictionary<string, (string Type, long[] Shape, int Begin, int End)> _entries = [];
    private readonly byte[] _data;

    private GoldenTensors(byte[] file)
    {
        var header = (int)BitConverter.ToUInt64(file, 0);
        _data = file[(8 + header)..];
        using var json = JsonDocument.Parse(file.AsMemory(8, header));
        foreach (var entry in json.RootElement.EnumerateObject().Where(e => e.Name != "__metadata__"))
        {
            var offsets = entry.Value.GetProperty("data_offsets");
            _entries[entry.Name] = (
                entry.Value.GetProperty("dtype").GetString()!,
                [.. entry.Value.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64())],
                offsets[0].GetInt32(),
                offsets[1].GetInt32());
        }
    }

    /// <summary>All names.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Reads <c>tests/goldens/GROUP/CASE.safetensors</c>.</summary>
    public static GoldenTensors Read(string group, string name) =>
        new(File.ReadAllBytes(Repository.PathOf("tests", "goldens", group, name + ".safetensors")));

    /// <summary>Reads the json of a case.</summary>
    public static JsonDocument ReadJson(string group, string name) =>
        JsonDocument.Parse(File.ReadAllBytes(Repository.PathOf("tests", "goldens", group, name + ".json")));

    /// <summary>The element type as the file spells it, such as <c>F32</c>.</summary>
    public string TypeOf(string name) => _entries[name].Type;

    /// <summary>The shape.</summary>
    public long[] ShapeOf(string name) => _entries[name].Shape;

    /// <summary>The stored bytes.</summary>
    public byte[] Bytes(string name) => _data[_entries[name].Begin.._entries[name].End];

    /// <summary>The elements of any float type, exactly.</summary>
    public double[] Numbers(string name)
    {
        var bytes = Bytes(name);
        return _entries[name].Type switch
        {
            "F64" => MemoryMarshal.Cast<byte, double>(bytes).ToArray(),
            "F32" => [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(v => (double)v)],
            "F16" => [.. MemoryMarshal.Cast<byte, Half>(bytes).ToArray().Select(v => (double)v)],
            "BF16" => [.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(v => (double)BitConverter.UInt32BitsToSingle((uint)v << 16))],
            "I64" => [.. MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(v => (double)v)],
            var other => throw new FormatException($"{name} is of type {other}"),
        };
    }

    /// <summary>The elements of a 64-bit integer tensor.</summary>
    public long[] Longs(string name) => _entries[name].Type == "I64" ? MemoryMarshal.Cast<byte, long>(Bytes(name)).ToArray() : throw new FormatException($"{name} is not I64");

    /// <summary>The elements of a float32 tensor.</summary>
    public float[] Floats(string name) => _entries[name].Type == "F32" ? MemoryMarshal.Cast<byte, float>(Bytes(name)).ToArray() : throw new FormatException($"{name} is not F32");
}
