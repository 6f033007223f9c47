using System.Globalization;
using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Malformed and odd files and folders: each is read right, or refused by one clear error without memory that its size does not justify.</summary>
public sealed class BadfilesGroup : IGoldenGroup
{
    /// <summary>What refusing a file may take besides a few times its size.</summary>
    private const long FixedBytesOfFile = 256 << 10;

    /// <summary>The same for a folder, whose network is built before its weights can be compared with it.</summary>
    private const long FixedBytesOfFolder = 8 << 20;

    private const long BytesPerByte = 64;

    /// <inheritdoc/>
    public string Name => "badfiles";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        string here = Path.Combine(golden.Root, golden.Group);
        foreach (var file in golden.Field("files").EnumerateObject())
        {
            file.Value.Only(file.Name, "valid", "why", "bytes", "safetensors_says", "differs", "tensors", "metadata", "note");
            string path = Path.Combine(here, file.Name);
            yield return Guard(file.Name, FixedBytesOfFile + (BytesPerByte * new FileInfo(path).Length), file.Value, () => ReadFile(path, file.Value));
        }
        var folders = golden.Field("folders").Only("folders", "config", "prefix", "dtype", "state_dict", "cases");
        yield return Keys(folders);
        foreach (var folder in folders.GetProperty("cases").EnumerateObject())
        {
            folder.Value.Only(folder.Name, "valid", "why", "diffusers_says", "must_name", "note");
            string path = Path.Combine(here, "folders", folder.Name, "unet");
            long size = Directory.EnumerateFiles(path).Sum(f => new FileInfo(f).Length);
            yield return Guard("folders/" + folder.Name, FixedBytesOfFolder + (BytesPerByte * size), folder.Value, () => ReadFolder(golden, folders, path));
        }
    }

    /// <summary>Runs one verdict. A valid case must return no fault; an invalid one must throw the documented exception with what it must name.</summary>
    private static Check Guard(string what, long mostBytes, JsonElement verdict, Func<string?> read)
    {
        bool valid = verdict.GetProperty("valid").GetBoolean();
        string? named = verdict.Text("must_name");
        long before = GC.GetAllocatedBytesForCurrentThread();
        string? fault, message = null;
        try
        {
            fault = read();
        }
        catch (Exception refusal) when (refusal is WeightFileException or ModelConfigException)
        {
            (fault, message) = ("refused: " + refusal.Message, refusal.Message);
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (!valid && allocated > mostBytes)
            return Check.That(what, false, string.Create(CultureInfo.InvariantCulture, $"{allocated} bytes allocated to refuse it, over {mostBytes}"));
        if (valid)
            return Check.That(what, fault is null, fault);
        if (message is null)
            return Check.That(what, false, "accepted");
        bool isClear = message.Length is > 10 and < 1000 && !message.Contains('\n') && (named is null || message.Contains(named, StringComparison.Ordinal));
        return Check.That(what, isClear, $"not a clear message{(named is null ? "" : $" that names {named}")}: {message}");
    }

    private static string? ReadFile(string path, JsonElement verdict)
    {
        using var file = SafetensorsFile.Open(path);
        if (!verdict.TryGetProperty("tensors", out var tensors))
            return null;
        var expected = tensors.EnumerateObject().ToDictionary(t => t.Name, t => t.Value, StringComparer.Ordinal);
        if (!expected.Keys.ToHashSet(StringComparer.Ordinal).SetEquals(file.Entries.Keys))
            return "other names";
        foreach (var (name, tensor) in expected)
        {
            tensor.Only(name, "dtype", "shape", "hex", "values");
            var entry = file.Entries[name];
            byte[] bytes = new byte[entry.Bytes];
            file.ReadBytes(name, 0, bytes);
            if (entry.DType.Name() != tensor.Text("dtype") || !entry.Shape.SequenceEqual(tensor.GetProperty("shape").Longs()))
                return $"{name}: another type or shape";
            if (Convert.ToHexStringLower(bytes) != tensor.Text("hex"))
                return $"{name}: other bytes";
            if (tensor.TryGetProperty("values", out var values) && !Values(file, name).SequenceEqual(values.EnumerateArray().Select(Text)))
                return $"{name}: other values";
        }
        return SameMetadata(file.Metadata, verdict.GetProperty("metadata")) ? null : "other metadata";
    }

    private static bool SameMetadata(IReadOnlyDictionary<string, string>? actual, JsonElement expected) => expected.ValueKind == JsonValueKind.Null
        ? actual is null
        : actual is not null && actual.Count == expected.EnumerateObject().Count()
            && expected.EnumerateObject().All(p => actual.TryGetValue(p.Name, out string? value) && value == p.Value.GetString());

    /// <summary>The numbers as text: integers in full, floating-point ones in their shortest form as doubles.</summary>
    private static IEnumerable<string> Values(SafetensorsFile file, string name)
    {
        using var scope = NewDisposeScope();
        var entry = file.Entries[name];
        if (entry.DType == DType.U64)
        {
            byte[] bytes = new byte[entry.Bytes];
            file.ReadBytes(name, 0, bytes);
            return [.. bytes.Chunk(sizeof(ulong)).Select(b => BitConverter.ToUInt64(b).ToString(CultureInfo.InvariantCulture))];
        }
        if (entry.Count == 0)
            return [];
        var read = file.Read(name, entry.DType.Carrier()!.Value);
        return read.is_floating_point()
            ? [.. read.to(ScalarType.Float64).data<double>().ToArray().Select(v => v.ToString("R", CultureInfo.InvariantCulture))]
            : [.. read.to(ScalarType.Int64).data<long>().ToArray().Select(v => v.ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>A value of the json in the same form; large integers and what JSON lacks stand there as text.</summary>
    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        JsonValueKind.String => value.GetString()!,
        _ when value.TryGetInt64(out long whole) && value.GetRawText().AsSpan().IndexOfAny(".eE") < 0 => whole.ToString(CultureInfo.InvariantCulture),
        _ => value.GetDouble().ToString("R", CultureInfo.InvariantCulture),
    };

    private static Check Keys(JsonElement folders)
    {
        using var network = new UNet(UNetConfig.FromJson(folders.GetProperty("config")), META);
        return GoldenNetworks.Keys("folders", network, folders.GetProperty("state_dict").Shapes());
    }

    /// <summary>Loads the U-Net of a folder as serving does, and compares it with the weights that follow from names.</summary>
    private static string? ReadFolder(GoldenCase golden, JsonElement folders, string path)
    {
        if (folders.Text("dtype") is not { } type || !type.StartsWith("F16", StringComparison.Ordinal))
            throw new FormatException($"folders.dtype: {folders.Text("dtype")}");
        using var scope = NewDisposeScope();
        var component = ModelComponent.Open(path);
        component.RequireClass("UNet2DConditionModel");
        var config = UNetConfig.FromJson(component.RequireConfig());
        using var weights = component.OpenWeights();
        using var network = new UNet(config);
        StrictLoader.Load(network, weights);
        string prefix = folders.Text("prefix")!;
        foreach (var (name, value) in network.state_dict())
        {
            var expected = golden.Numbers.Weight(prefix + name, value.shape).to(ScalarType.Float16).to(ScalarType.Float32);
            if (!value.Equals(expected))
                return $"{name}: other values";
        }
        return null;
    }
}
