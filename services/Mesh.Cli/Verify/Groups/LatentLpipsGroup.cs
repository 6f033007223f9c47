using System.Globalization;
using System.Text.Json;
using Mesh.Models.Weights;
using Mesh.Training.Perception;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Cli.Verify.Groups;

/// <summary>E-LatentLPIPS: filters, taps, distances, every augmentation with the draws given, gradients.</summary>
public sealed class LatentLpipsGroup : IGoldenGroup
{
    private const double FilterTolerance = 1e-6;

    /// <inheritdoc/>
    public string Name => "elatentlpips";

    /// <inheritdoc/>
    public bool IsData(GoldenCase golden) => golden.Has("absolute");

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("draws", "tolerances");
        if (golden.HasTensor("in.taps"))
            return Filters(golden);
        if (golden.HasTensor("in.f"))
            return Normalisation(golden);
        if (golden.Has("shapes"))
            return Taps(golden);
        if (golden.Has("encoders"))
            return Distances(golden);
        return golden.Has("runs") ? Augmented(golden) : throw new FormatException("a case of another form");
    }

    private static LatentLpips Metric(GoldenCase golden)
    {
        using var network = golden.Refer(golden.Field("network").GetString()!);
        var shapes = network.Field("state_dict").Shapes();
        var metric = new LatentLpips((int)shapes["net.slice1.0.weight"][1]);
        var mine = metric.state_dict();
        if (shapes.Keys.FirstOrDefault(n => !mine.ContainsKey(n) && !LatentLpips.IsDouble(n)) is { } missing)
            throw new FormatException($"the metric has no {missing}");
        var floats = metric.Tensors();
        var expected = shapes.Where(s => floats.ContainsKey(s.Key)).ToDictionary(s => s.Key, s => s.Value, StringComparer.Ordinal);
        var absolute = network.Field("absolute").EnumerateArray().Select(e => e.GetString()!).ToHashSet(StringComparer.Ordinal);
        using (var weights = new ProceduralWeights(golden.Numbers, expected, network.Field("prefix").GetString()!, ProceduralWeights.Gains(network.Field("gains"))))
            StrictLoader.Load(floats, weights);
        using var mode = no_grad();
        foreach (var name in absolute)
            floats[name].abs_();
        return metric;
    }

    private static List<Check> Filters(GoldenCase golden)
    {
        var checks = new List<Check>();
        using var x = golden.Input("in.x");
        using var wide = golden.Input("in.wide");
        using var taps = golden.Input("in.taps");
        checks.Add(Check.Tensors("in.taps", tensor(WaveletResampling.Taps.Select(t => (float)t).ToArray()), taps, FilterTolerance));
        x.requires_grad_();
        var up = WaveletResampling.Twice(x);
        checks.Add(golden.Compare("out.up", up, CheckKind.Layer));
        (up.square().sum() / 2).backward();
        checks.Add(golden.CompareGradient("out.up.grad", x.grad!, CheckKind.Layer));
        checks.Add(golden.Compare("out.down", WaveletResampling.Halve(wide), CheckKind.Layer));
        checks.Add(golden.Compare("out.down.flip", WaveletResampling.Halve(wide, correlate: true), CheckKind.Layer));
        checks.Add(golden.Compare("out.down.pipe", WaveletResampling.Halve(wide, padding: -6, correlate: true), CheckKind.Layer));
        using var image = golden.Input("in.image").requires_grad_();
        using var theta = golden.Input("in.theta").requires_grad_();
        using var stored = golden.Read("out.grid");
        var grid = F.affine_grid(theta, [image.shape[0], image.shape[1], stored.shape[1], stored.shape[2]], align_corners: false);
        checks.Add(golden.Compare("out.grid", grid, CheckKind.Layer));
        var sampled = F.grid_sample(image, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Zeros, align_corners: false);
        checks.Add(golden.Compare("out.sampled", sampled, CheckKind.Layer));
        (sampled.square().sum() / 2).backward();
        checks.Add(golden.CompareGradient("out.sampled.grad.image", image.grad!, CheckKind.Layer));
        checks.Add(golden.CompareGradient("out.sampled.grad.theta", theta.grad!, CheckKind.Layer));
        return checks;
    }

    private static IEnumerable<Check> Normalisation(GoldenCase golden)
    {
        using var f = golden.Input("in.f").requires_grad_();
        using var weight = golden.Input("in.weight");
        var y = FeatureDistance.UnitWithEpsilonInside(f);
        yield return golden.Compare("out.y", y, CheckKind.Layer);
        (y * weight).sum().backward();
        yield return golden.CompareGradient("out.grad.f", f.grad!, CheckKind.Layer);
    }

    private static List<Check> Taps(GoldenCase golden)
    {
        using var metric = Metric(golden);
        using var mode = no_grad();
        using var x = golden.Input("in.x");
        var shapes = golden.Field("shapes").Shapes();
        var checks = new List<Check>();
        foreach (var (tap, i) in metric.Taps(x).Select((t, i) => (t, i)))
        {
            checks.Add(Check.That($"shape of tap{i + 1}", tap.shape.SequenceEqual(shapes[$"tap{i + 1}"])));
            checks.AddRange(golden.CompareSampled($"out.tap{i + 1}", tap, CheckKind.Network));
        }

        return checks;
    }

    private static List<Check> Distances(GoldenCase golden)
    {
        using var metric = Metric(golden);
        using var a = golden.Input("in.a");
        using var b = golden.Input("in.b");
        var checks = new List<Check>();
        using (no_grad())
        {
            foreach (var encoder in golden.Field("encoders").EnumerateArray().Select(e => e.GetString()!))
            {
                foreach (var (normalise, absolute) in new[] { (false, false), (false, true), (true, false), (true, true) })
                {
                    var kind = LatentKind.Known[encoder];
                    var (x, y) = normalise ? (kind.Normalise(a), kind.Normalise(b)) : (a, b);
                    var name = $"out.{encoder}.{(normalise ? "normalize" : "raw")}{(absolute ? ".l1" : "")}";
                    checks.Add(golden.Compare(name, metric.Compare(x, y, new LatentComparison(absolute)).Distance, CheckKind.Network));
                }
            }

            var plain = metric.Compare(a, b, new LatentComparison(AddAbsolute: false));
            checks.Add(golden.Compare("out.layers", stack(plain.Layers.Select(l => l.reshape(-1))), CheckKind.Network));
            checks.Add(golden.Compare("out.spatial", metric.Compare(a, b, new LatentComparison(false, Spatial: true)).Distance, CheckKind.Network));
            checks.Add(golden.Compare("out.baseline", metric.Compare(a, b, new LatentComparison(false, Weighted: false)).Distance, CheckKind.Network));
            checks.Add(golden.Compare("out.baseline.spatial", metric.Compare(a, b, new LatentComparison(false, Spatial: true, Weighted: false)).Distance, CheckKind.Network));
        }

        a.requires_grad_();
        metric.Compare(a, b, new LatentComparison()).Distance.sum().backward();
        checks.Add(golden.CompareGradient("out.grad.a", a.grad!, CheckKind.Network));
        return checks;
    }

    private static List<Check> Augmented(GoldenCase golden)
    {
        using var metric = Metric(golden);
        var checks = new List<Check>();
        foreach (var run in golden.Field("runs").EnumerateObject())
        {
            using var scope = NewDisposeScope();
            checks.AddRange(Run(golden, metric, run.Name, run.Value.Only("runs." + run.Name, "operations", "draws_in_order")));
        }

        return checks;
    }

    private static List<Check> Run(GoldenCase golden, LatentLpips metric, string run, JsonElement described)
    {
        var checks = new List<Check>();
        var operations = described.GetProperty("operations").EnumerateArray()
            .Aggregate(Augmentations.None, (sum, o) => sum | Enum.Parse<Augmentations>(o.GetString()!, ignoreCase: true));
        var names = AugmentationDraws.Names(operations).ToArray();
        checks.Add(Check.That(run + " draws", names.SequenceEqual(described.GetProperty("draws_in_order").EnumerateArray().Select(e => e.GetString()!)), "another order"));
        using var a = golden.Input("in.a");
        using var b = golden.Input("in.b");
        var values = names.ToDictionary(n => n, n => golden.Read($"in.{run}.{n}").data<float>().ToArray(), StringComparer.Ordinal);
        var augmentation = new LatentAugmentation(new AugmentationDraws(operations, (int)a.shape[0], values), (int)a.shape[2], (int)a.shape[3]);
        if (golden.HasTensor($"out.{run}.G"))
        {
            checks.Add(golden.Compare($"out.{run}.G", augmentation.InverseMatrices(), CheckKind.Layer));
            using var pad = golden.Read($"out.{run}.pad");
            var off = pad.data<long>().ToArray().Zip(augmentation.Padding, (x, y) => Math.Abs(x - y)).Max();
            checks.Add(Check.Count($"out.{run}.pad", off, 1));
            golden.Compare($"out.{run}.pad", pad, 0.0);
        }

        a.requires_grad_();
        checks.Add(golden.Compare($"out.{run}.a", augmentation.Apply(a), Check.Allowed(golden.NoiseFloor, CheckKind.Layer)));
        checks.AddRange(golden.CompareSampled($"out.{run}.b", augmentation.Apply(b), CheckKind.Layer));
        var distance = metric.Compare(a, b, new LatentComparison(), augmentation).Distance;
        checks.Add(golden.Compare($"out.{run}.distance", distance, CheckKind.Network));
        distance.sum().backward();
        var sample = golden.TensorNames.Single(n => n.StartsWith($"out.{run}.grad.a.every", StringComparison.Ordinal));
        var step = long.Parse(sample.AsSpan($"out.{run}.grad.a.every".Length), CultureInfo.InvariantCulture);
        checks.Add(golden.CompareGradient(sample, a.grad!.flatten().slice(0, 0, a.numel(), step), CheckKind.Network));
        return checks;
    }
}
