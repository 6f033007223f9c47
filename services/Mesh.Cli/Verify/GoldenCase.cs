using System.Text.Json;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify;

/// <summary>One case: its json, its tensors (read when asked for), and the folder in which files that it refers to are sought.</summary>
/// <remarks>Keeps account of what was used, so that a field or an output that a group passed over does not go unseen.</remarks>
public sealed class GoldenCase : IDisposable
{
    // Said for readers, or about how the numbers were made.
    private static readonly string[] Informational =
        ["variant", "what", "tolerance", "tolerance_of_gradients", "errors", "packages", "versions", "note"];

    private readonly JsonDocument _document;
    private readonly HashSet<string> _known = [.. Informational];
    private readonly HashSet<string> _read = [];
    private SafetensorsFile? _tensors;

    private GoldenCase(string root, string group, string name, JsonDocument document, ScalarType computeType)
    {
        (Root, Group, Name, _document, ComputeType) = (root, group, name, document, computeType);
    }

    /// <summary>The golden folder.</summary>
    public string Root { get; }

    /// <summary>The case's folder inside <see cref="Root"/>.</summary>
    public string Group { get; }

    /// <summary>The file's name without ending; for tables only, nothing may depend on it.</summary>
    public string Name { get; }

    /// <summary>What networks are computed in: Float32, or BFloat16 where that was asked for.</summary>
    public ScalarType ComputeType { get; }

    /// <summary>The whole json.</summary>
    public JsonElement Json => _document.RootElement;

    /// <summary>The set of weights and inputs that the case belongs to.</summary>
    public string Variant => Json.TryGetProperty("variant", out var variant) ? variant.GetString()! : "a";

    /// <summary>The measured noise floor; null where the case states none.</summary>
    public double? NoiseFloor => Number("tolerance");

    /// <summary>The noise floor of gradients, which is the case's own where it states none for them.</summary>
    public double? GradientNoiseFloor => Number("tolerance_of_gradients") ?? NoiseFloor;

    /// <summary>The case's numbers from nothing but names.</summary>
    public ProceduralNumbers Numbers => new(Variant);

    /// <summary>Names of the tensors in the case's safetensors file; empty where it has none.</summary>
    public IEnumerable<string> TensorNames => File.Exists(TensorPath) ? Tensors.Entries.Keys : [];

    private string TensorPath => Path.Combine(Root, Group, Name + ".safetensors");

    private SafetensorsFile Tensors => _tensors ??= SafetensorsFile.Open(TensorPath);

    /// <summary>Opens <c>group/name</c> of the folder <paramref name="root"/>.</summary>
    /// <exception cref="FileNotFoundException">There is no such case.</exception>
    /// <exception cref="FormatException">The json is not an object.</exception>
    public static GoldenCase Open(string root, string group, string name, ScalarType computeType = ScalarType.Float32)
    {
        var path = Path.Combine(root, group, name + ".json");
        if (!File.Exists(path))
            throw new FileNotFoundException($"{group}/{name}.json is not in {root}", path);
        var document = JsonDocument.Parse(File.ReadAllBytes(path));
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return new GoldenCase(root, group, name, document, computeType);
        document.Dispose();
        throw new FormatException($"{group}/{name}.json is not an object");
    }

    /// <summary>Opens a case that this one names, as <c>group/name</c> or <c>group/name.json</c>.</summary>
    public GoldenCase Refer(string reference)
    {
        var path = Locate(reference.EndsWith(".json", StringComparison.Ordinal) ? reference : reference + ".json");
        var relative = Path.GetRelativePath(Root, path);
        return Open(Root, Path.GetDirectoryName(relative) ?? "", Path.GetFileNameWithoutExtension(path), ComputeType);
    }

    /// <summary>The path of a file or folder that the case names, beside the case or under the golden folder.</summary>
    /// <exception cref="FormatException">It is in neither place, or the name leads outside.</exception>
    public string Locate(string reference)
    {
        foreach (var folder in new[] { Path.Combine(Root, Group), Root })
        {
            var path = Path.GetFullPath(Path.Combine(folder, reference));
            var inside = path.StartsWith(Path.GetFullPath(Root) + Path.DirectorySeparatorChar, StringComparison.Ordinal);
            if (inside && Path.Exists(path))
                return path;
        }

        throw new FormatException($"the case refers to {reference}, which is not in the golden folder");
    }

    /// <summary>Declares fields of the json that the group understands.</summary>
    public void Knows(params ReadOnlySpan<string> fields)
    {
        foreach (var field in fields)
            _known.Add(field);
    }

    /// <summary>Whether the json has the field.</summary>
    public bool Has(string field) => Json.TryGetProperty(field, out _);

    /// <summary>A field that the case must have; declares it as well.</summary>
    public JsonElement Field(string name)
    {
        _known.Add(name);
        return Json.TryGetProperty(name, out var value) ? value : throw new FormatException($"the case has no field {name}");
    }

    /// <summary>Whether the case has the tensor.</summary>
    public bool HasTensor(string name) => File.Exists(TensorPath) && Tensors.Entries.ContainsKey(name);

    /// <summary>A tensor in the type in which it is stored.</summary>
    public Tensor Read(string name)
    {
        if (!HasTensor(name))
            throw new FormatException($"the case has no tensor {name}");
        _read.Add(name);
        var type = Tensors.Entries[name].DType;
        return Tensors.Read(name, type.Carrier() ?? throw new FormatException($"{name} is of a type that cannot be read"));
    }

    /// <summary>An input as float32, or whatever the case is computed in.</summary>
    public Tensor Input(string name)
    {
        using var stored = Read(name);
        return stored.to(ComputeType, copy: true);
    }

    /// <summary>Compares <paramref name="actual"/> with the tensor <paramref name="name"/> of the case.</summary>
    public Check Compare(string name, Tensor actual, CheckKind kind) => Compare(name, actual, Check.Allowed(NoiseFloor, kind));

    /// <summary>Compares a gradient; one in bfloat16 is not judged, since there a rounding turns whole branches of ReLU on and off.</summary>
    public Check CompareGradient(string name, Tensor actual, CheckKind kind)
    {
        if (ComputeType != ScalarType.BFloat16)
            return Compare(name, actual, Check.Allowed(GradientNoiseFloor, kind));
        _read.Add(name);
        return Check.That($"{name} (a gradient, not judged in bf16)", true);
    }

    /// <summary>Compares with an absolute tolerance of the caller's.</summary>
    public Check Compare(string name, Tensor actual, double tolerance)
    {
        using var expected = Read(name);
        return Check.Tensors(name, actual, expected, tolerance, ComputeType == ScalarType.BFloat16);
    }

    /// <summary>
    /// Compares a tensor of which the case may hold only a sample: <c>NAME</c> itself, <c>NAME.everyN</c> (elements 0, N, 2N, …) and
    /// <c>NAME.stats</c> (mean, standard deviation with divisor n, minimum, maximum), whichever are there.
    /// </summary>
    public IEnumerable<Check> CompareSampled(string name, Tensor actual, CheckKind kind)
    {
        var found = false;
        if (HasTensor(name))
        {
            found = true;
            yield return Compare(name, actual, kind);
        }

        foreach (var sample in TensorNames.Where(n => n.StartsWith(name + ".every", StringComparison.Ordinal)).ToArray())
        {
            found = true;
            var step = long.Parse(sample.AsSpan(name.Length + ".every".Length), System.Globalization.CultureInfo.InvariantCulture);
            using var flat = actual.detach().flatten();
            using var picked = flat.slice(0, 0, flat.numel(), step);
            yield return Compare(sample, picked, kind);
        }

        if (HasTensor(name + ".stats"))
        {
            found = true;
            using var statistics = Statistics(actual, unbiased: false);
            yield return Compare(name + ".stats", statistics, kind);
        }

        if (!found)
            throw new FormatException($"the case has neither {name} nor a sample of it");
    }

    /// <summary>Mean, standard deviation, minimum and maximum in one tensor.</summary>
    public static Tensor Statistics(Tensor values, bool unbiased)
    {
        using var scope = NewDisposeScope();
        var x = values.detach().to(ScalarType.Float64);
        return stack([x.mean(), x.std(unbiased), x.min(), x.max()]).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>What the group passed over: fields that it does not know, outputs that it did not compare.</summary>
    public IEnumerable<Check> Leftovers()
    {
        foreach (var field in Json.EnumerateObject().Where(f => !_known.Contains(f.Name)))
            yield return Check.Failure(field.Name, "unknown field");
        foreach (var name in TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal) && !_read.Contains(n)))
            yield return Check.Failure(name, "not compared: the group does not know this output");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _tensors?.Dispose();
        _document.Dispose();
    }

    private double? Number(string field) =>
        Json.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
