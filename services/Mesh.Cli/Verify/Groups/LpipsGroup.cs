using Mesh.Models.Weights;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>LPIPS with both backbones, and its normalisation.</summary>
public sealed class LpipsGroup : IGoldenGroup
{
    private const int AlexTensors = 10;

    /// <inheritdoc/>
    public string Name => "lpips";

    /// <inheritdoc/>
    public bool IsData(GoldenCase golden) => golden.Has("licence");

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        if (golden.HasTensor("in.f"))
        {
            using var features = golden.Input("in.f");
            yield return golden.Compare("out.y", FeatureDistance.UnitWithEpsilonOutside(features), CheckKind.Layer);
            yield break;
        }

        golden.Knows("shift", "scale", "epsilon");
        var shapes = golden.Field("state_dict").Shapes();
        using var metric = new Lpips(shapes.Count == AlexTensors ? LpipsNetwork.Alex : LpipsNetwork.Vgg);
        yield return GoldenNetworks.Keys("keys", metric.BackboneTensors().ToDictionary(t => t.Key, t => t.Value.shape, StringComparer.Ordinal), shapes);
        using (var weights = new ProceduralWeights(golden.Numbers, shapes, golden.Field("prefix").GetString()!, ProceduralWeights.Gains(golden.Field("gains"))))
        using (var heads = SafetensorsFile.Open(golden.Locate(golden.Field("heads").GetString()!)))
            metric.Load(weights, heads);
        foreach (var check in Compare(golden, metric))
            yield return check;
    }

    private static List<Check> Compare(GoldenCase golden, Lpips metric)
    {
        var checks = new List<Check>();
        using var a = golden.Input("in.a");
        using var b = golden.Input("in.b");
        a.requires_grad_();
        var result = metric.Compare(a, b);
        checks.Add(golden.Compare("out.distance", result.Distance, CheckKind.Network));
        checks.Add(golden.Compare("out.layers", stack(result.Layers.Select(l => l.reshape(-1))), CheckKind.Network));
        result.Distance.sum().backward();
        foreach (var sample in golden.TensorNames.Where(n => n.StartsWith("out.grad.a.every", StringComparison.Ordinal)).ToArray())
        {
            var step = long.Parse(sample.AsSpan("out.grad.a.every".Length), System.Globalization.CultureInfo.InvariantCulture);
            checks.Add(golden.CompareGradient(sample, a.grad!.flatten().slice(0, 0, a.numel(), step), CheckKind.Network));
        }

        using var mode = no_grad();
        var taps = metric.Taps(a);
        for (var i = 0; i < taps.Count; i++)
            checks.AddRange(golden.CompareSampled($"out.tap{i + 1}", taps[i], CheckKind.Network));
        checks.Add(golden.Compare("out.spatial", metric.Compare(a, b, spatial: true).Distance, CheckKind.Network));
        checks.Add(golden.Compare("out.baseline", metric.Compare(a, b, weighted: false).Distance, CheckKind.Network));
        var same = metric.Compare(b, b).Distance.abs().max().item<float>();
        checks.Add(Check.That("a picture is at no distance from itself", same == 0));
        return checks;
    }
}
