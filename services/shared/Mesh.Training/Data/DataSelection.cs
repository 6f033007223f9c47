using Mesh.Training.Configuration;

namespace Mesh.Training.Data;

/// <summary>Which pictures of a set are seen, how often, and which of their captions.</summary>
public sealed record DataSelection
{
    /// <summary>Per field of a picture's line, the weight of each value: <c>*</c> stands for all others that are not empty, and is 1 where it is not given.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyDictionary<string, double>> Weights { get; init; }

    /// <summary>How often each of a picture's captions is drawn, relative to the others; the last ones are 0 where there are more. Empty: all alike.</summary>
    public required IReadOnlyList<double> CaptionWeights { get; init; }

    /// <summary>Share of captions that are left empty, so that guidance has something to compare with.</summary>
    public required double DropCaptions { get; init; }

    /// <summary>Reads the fields of a job's <c>select</c>.</summary>
    public static DataSelection Read(JobFields fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var weights = fields.Mapping("weights");
        var table = new Dictionary<string, IReadOnlyDictionary<string, double>>(StringComparer.Ordinal);
        foreach (var field in weights.Names.ToArray())
        {
            var values = weights.Mapping(field);
            table[field] = values.Names.ToArray().ToDictionary(v => v, v => values.Number(v, null, 0, 1000), StringComparer.Ordinal);
        }

        return new DataSelection
        {
            Weights = table, CaptionWeights = fields.Numbers("caption_weights", []), DropCaptions = fields.Number("drop_captions", 0, 0, 1),
        };
    }

    /// <summary>A picture's weight: the product over the fields; 0 for what is kept for judging.</summary>
    public double WeightOf(PictureEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!entry.IsTrained)
            return 0;
        var weight = 1.0;
        foreach (var (field, values) in Weights)
        {
            var value = entry.Fields.GetValueOrDefault(field, "");
            weight *= values.TryGetValue(value, out var own) ? own : value.Length > 0 && values.TryGetValue("*", out var others) ? others : 1;
        }

        return weight;
    }

    /// <summary>The pictures to train on with their weights.</summary>
    public IEnumerable<(int Index, double Weight)> Of(IEnumerable<PictureEntry> entries) =>
        (entries ?? throw new ArgumentNullException(nameof(entries))).Select(e => (e.Index, WeightOf(e)));

    /// <summary>Chooses a caption.</summary>
    /// <param name="entry">The picture.</param>
    /// <param name="drop">Uniform; below <see cref="DropCaptions"/> the caption is empty.</param>
    /// <param name="which">Uniform; which caption.</param>
    public string Caption(PictureEntry entry, float drop, float which)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (drop < DropCaptions)
            return "";
        var captions = entry.Captions;
        var total = Enumerable.Range(0, captions.Count).Sum(Share);
        var left = which * total;
        var last = 0;
        for (var i = 0; i < captions.Count; i++)
        {
            if (Share(i) == 0)
                continue;
            left -= Share(i);
            if (left < 0)
                return captions[i];
            last = i;
        }

        return captions[last];
    }

    private double Share(int i) => CaptionWeights.Count == 0 ? 1 : i < CaptionWeights.Count ? CaptionWeights[i] : 0;
}
