using System.Diagnostics;
using TorchSharp;

namespace Mesh.Models.Weights;

/// <summary>What <see cref="StrictLoader"/> lets pass.</summary>
public sealed record LoadOptions
{
    /// <summary>Tensors of the file that the network does without, besides position_ids, attend.scale, model_ema.* and doubles under old names.</summary>
    public Func<string, bool>? Ignore { get; init; }

    /// <summary>Whether values that are not finite, as stored or as converted, pass. They make every picture black, so they do not by default.</summary>
    public bool AllowNotFinite { get; init; }
}

/// <summary>What was loaded.</summary>
/// <param name="Tensors">How many tensors.</param>
/// <param name="Parameters">How many numbers.</param>
/// <param name="Bytes">What they take on disk.</param>
/// <param name="Ignored">Tensors of the file that are not used.</param>
/// <param name="Elapsed">How long it took.</param>
public sealed record LoadReport(int Tensors, long Parameters, long Bytes, IReadOnlyList<string> Ignored, TimeSpan Elapsed);

/// <summary>
/// Fills a network from a weight source, all or nothing: every tensor of the network found with its shape, every tensor of the source used.
/// Values go straight into the parameters' own memory, converted to their type on the way.
/// </summary>
public static class StrictLoader
{
    private const int Shown = 5;

    /// <summary>Loads every parameter and persistent buffer of <paramref name="module"/>.</summary>
    /// <exception cref="WeightMismatchException">Names or shapes differ; the message shows the first of each kind. Nothing was changed.</exception>
    /// <exception cref="WeightFileException">A tensor cannot be read or holds values that are not finite.</exception>
    public static LoadReport Load(torch.nn.Module module, IWeightSource source, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        return Load(module.state_dict(), source, options);
    }

    /// <summary>Fills tensors by name; the same for what is no module.</summary>
    public static LoadReport Load(IReadOnlyDictionary<string, torch.Tensor> targets, IWeightSource source, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(source);
        options ??= new LoadOptions();
        var watch = Stopwatch.StartNew();
        using var noGrad = torch.no_grad();
        var plan = LoadPlan.Make(targets.ToDictionary(t => t.Key, t => t.Value.shape, StringComparer.Ordinal), source, options.Ignore);
        plan.ThrowIfIncomplete(source.Origin);
        var notFinite = new List<string>();
        foreach (var (name, stored) in plan.Sources.OrderBy(p => source.Entries[p.Value].Begin))
        {
            source.CopyTo(stored, targets[name]);
            if (!options.AllowNotFinite && !FiniteScan.IsFinite(targets[name]))
                notFinite.Add(name);
        }
        if (notFinite.Count > 0)
        {
            var first = targets[notFinite[0]];
            throw new WeightFileException($"{source.Origin}: {notFinite.Count} tensors hold values that are not finite (as {first.dtype}): {List(notFinite)}");
        }
        var entries = plan.Sources.Values.Select(s => source.Entries[s]).ToList();
        return new LoadReport(entries.Count, entries.Sum(e => e.Count), entries.Sum(e => e.Bytes), plan.Ignored, watch.Elapsed);
    }

    /// <summary>Checks names and shapes as loading does, without a network and without reading data.</summary>
    /// <param name="expected">The network's names and shapes.</param>
    /// <param name="source">Where they should be.</param>
    /// <param name="options">What may pass.</param>
    /// <exception cref="WeightMismatchException">Names or shapes differ.</exception>
    public static void Check(IReadOnlyDictionary<string, long[]> expected, IWeightSource source, LoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(source);
        LoadPlan.Make(expected, source, options?.Ignore).ThrowIfIncomplete(source.Origin);
    }

    internal static string List(IReadOnlyList<string> names) => string.Join(", ", names.Take(Shown).Select(WeightFileException.Quote))
        + (names.Count > Shown ? $" and {names.Count - Shown} more" : "");
}

/// <summary>Which tensor of a source fills which of a network, and what does not match.</summary>
internal sealed class LoadPlan
{
    /// <summary>Network's name -> source's name.</summary>
    public Dictionary<string, string> Sources { get; } = new(StringComparer.Ordinal);

    public List<string> Missing { get; } = [];

    public List<string> Unexpected { get; } = [];

    public List<string> WrongShape { get; } = [];

    public List<string> Ignored { get; } = [];

    private readonly List<string> _shapes = [];

    public static LoadPlan Make(IReadOnlyDictionary<string, long[]> expected, IWeightSource source, Func<string, bool>? ignore)
    {
        var plan = new LoadPlan();
        var used = new HashSet<string>(StringComparer.Ordinal);
        var doubles = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, shape) in expected)
        {
            string? stored = source.Entries.ContainsKey(name)
                ? name
                : WeightNames.Alternatives(name).FirstOrDefault(a => source.Entries.ContainsKey(a) && !expected.ContainsKey(a));
            if (WeightNames.OldAttentionName(name) is { } old && old != stored)
                doubles.Add(old);
            if (stored is null || !used.Add(stored))
                plan.Missing.Add(name);
            else if (Fits(name, shape, source.Entries[stored].Shape))
                plan.Sources.Add(name, stored);
            else
                plan.AddShape(name, shape, source.Entries[stored].Shape);
        }
        foreach (string name in source.Entries.Keys.Where(n => !used.Contains(n)))
            (WeightNames.IsIgnorable(name) || doubles.Contains(name) || ignore?.Invoke(name) == true ? plan.Ignored : plan.Unexpected).Add(name);
        return plan;
    }

    public void ThrowIfIncomplete(string origin)
    {
        if (Missing.Count + Unexpected.Count + WrongShape.Count == 0)
            return;
        var faults = new List<string>();
        if (Missing.Count > 0)
            faults.Add($"{Missing.Count} missing: {StrictLoader.List(Missing)}");
        if (Unexpected.Count > 0)
            faults.Add($"{Unexpected.Count} unexpected: {StrictLoader.List(Unexpected)}");
        if (WrongShape.Count > 0)
            faults.Add($"{WrongShape.Count} of another shape: {string.Join(", ", _shapes)}{(WrongShape.Count > _shapes.Count ? " and more" : "")}");
        throw new WeightMismatchException($"{origin} does not fit the network: {string.Join("; ", faults)}")
        {
            Missing = Missing,
            Unexpected = Unexpected,
            WrongShape = WrongShape,
        };
    }

    private static bool Fits(string name, long[] expected, long[] stored) => expected.AsSpan().SequenceEqual(stored)
        || WeightNames.MayBeConvolution(name) && expected.Length == 2 && stored.AsSpan().SequenceEqual([expected[0], expected[1], 1, 1]);

    private void AddShape(string name, long[] expected, long[] stored)
    {
        WrongShape.Add(name);
        if (_shapes.Count < 5)
            _shapes.Add($"{WeightFileException.Quote(name)} is {WeightFileException.Shape(stored)} instead of {WeightFileException.Shape(expected)}");
    }
}
