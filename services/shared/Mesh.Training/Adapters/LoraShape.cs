namespace Mesh.Training.Adapters;

/// <summary>Which layers of a network get low-rank updates, and of what size.</summary>
/// <param name="Rank">Rank of each update.</param>
/// <param name="Alpha">An update counts alpha/rank times.</param>
/// <param name="Targets">Ends of module paths, such as <c>to_q</c>: a layer is meant where its path is one or ends in a dot and one.</param>
public sealed record LoraShape(int Rank, double Alpha, IReadOnlyList<string> Targets)
{
    /// <summary>alpha / rank.</summary>
    public double Scale => Alpha / Rank;

    /// <summary>Whether a target means the layer at a module path.</summary>
    public static bool Means(string target, string path) => path == target || path.EndsWith("." + target, StringComparison.Ordinal);

    /// <summary>Whether the layer at a module path gets an update.</summary>
    public bool Has(string path) => Targets.Any(target => Means(target, path));
}
