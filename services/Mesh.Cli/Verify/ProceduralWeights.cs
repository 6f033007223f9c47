using System.Collections.Frozen;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Models.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify;

/// <summary>A network's weights from nothing but names and shapes.</summary>
public sealed class ProceduralWeights : IWeightSource
{
    private readonly ProceduralNumbers _stream;
    private readonly string _prefix;
    private readonly Func<string, float> _gain;

    /// <summary>Weights of those names and shapes.</summary>
    /// <param name="stream">The case's numbers.</param>
    /// <param name="shapes">Published names and shapes.</param>
    /// <param name="prefix">Stands before each name where it is hashed.</param>
    /// <param name="gain">A factor for each name, 1 where none is given.</param>
    public ProceduralWeights(ProceduralNumbers stream, IReadOnlyDictionary<string, long[]> shapes, string prefix = "", Func<string, float>? gain = null)
    {
        (_stream, _prefix, _gain) = (stream, prefix, gain ?? (static _ => 1));
        Entries = shapes.ToFrozenDictionary(s => s.Key, s => new TensorEntry(DType.F32, s.Value), StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <inheritdoc/>
    public string Origin => $"procedural weights {_stream.Variant}/{_prefix}";

    /// <summary>
    /// The factor that a case lists for each name: <c>{name: factor}</c>, where <c>*</c> in a name stands for any characters and the first that
    /// matches counts, or <c>{factor, names_ending_in}</c>.
    /// </summary>
    public static Func<string, float> Gains(JsonElement gains)
    {
        if (gains.TryGetProperty("names_ending_in", out var endings))
        {
            gains.Only("gain", "factor", "names_ending_in");
            var factor = gains.GetProperty("factor").GetSingle();
            var ends = endings.EnumerateArray().Select(e => e.GetString()!).ToArray();
            return name => ends.Any(e => name.EndsWith(e, StringComparison.Ordinal)) ? factor : 1;
        }

        var exact = gains.EnumerateObject().Where(g => !g.Name.Contains('*')).ToFrozenDictionary(g => g.Name, g => g.Value.GetSingle(), StringComparer.Ordinal);
        var patterns = gains.EnumerateObject().Where(g => g.Name.Contains('*'))
            .Select(g => (Pattern: new Regex("^" + Regex.Escape(g.Name).Replace("\\*", ".*", StringComparison.Ordinal) + "$"), Factor: g.Value.GetSingle())).ToArray();
        return name => exact.TryGetValue(name, out var factor) ? factor
            : patterns.Where(p => p.Pattern.IsMatch(name)).Select(p => p.Factor).FirstOrDefault(1);
    }

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType dtype)
    {
        if (!Entries.TryGetValue(name, out var entry))
            throw new WeightFileException($"{Origin}: no tensor {name}");
        var weight = _stream.Weight(_prefix + name, entry.Shape, _gain(name));
        return dtype == ScalarType.Float32 ? weight : weight.to(dtype, disposeAfter: true);
    }

    /// <inheritdoc/>
    public void CopyTo(string name, Tensor target)
    {
        if (target.dtype == ScalarType.Float32 && target.is_contiguous() && target.device_type == DeviceType.CPU && target.shape.SequenceEqual(Entries[name].Shape))
        {
            _stream.Fill(_prefix + name, target, _gain(name));
            return;
        }

        using var read = Read(name, target.dtype);
        target.copy_(read);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held.
    }
}
