namespace Mesh.Models.Weights;

/// <summary>What the weights of a component are.</summary>
/// <param name="Tensors">How many tensors.</param>
/// <param name="Parameters">How many numbers.</param>
/// <param name="Bytes">Size of the data on disk.</param>
/// <param name="Types">Element types, the most frequent first, such as <c>F16</c> or <c>F32, I64</c>.</param>
/// <param name="Files">The weight files' paths.</param>
/// <param name="Variant">Whose files these are, or null for the plain ones.</param>
/// <param name="Known">The published file that this is, by its content; null where it is none of the known ones or sharded.</param>
public sealed record ComponentReport(int Tensors, long Parameters, long Bytes, string Types, IReadOnlyList<string> Files, string? Variant, KnownFile? Known)
{
    /// <summary>Opens and validates a component's weights. Only headers are read, and whole files where their size is a known one's.</summary>
    /// <exception cref="WeightFileException">There are no weights, or they are not valid.</exception>
    public static ComponentReport Of(ModelComponent component)
    {
        ArgumentNullException.ThrowIfNull(component);
        var files = component.FindWeights();
        using var source = files.Open();
        var used = source.Entries.Where(e => !WeightNames.IsIgnorable(e.Key)).Select(e => e.Value).ToList();
        string types = string.Join(", ", used.GroupBy(e => e.DType).OrderByDescending(g => g.Sum(e => e.Count)).ThenBy(g => g.Key).Select(g => g.Key.Name()));
        return new ComponentReport(used.Count, used.Sum(e => e.Count), used.Sum(e => e.Bytes), types, files.Paths(), files.Variant,
            files.IsSharded ? null : KnownWeights.Recognise(files.Main));
    }
}
