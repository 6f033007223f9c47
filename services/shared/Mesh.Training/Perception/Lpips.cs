using Mesh.Models.Weights;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Training.Perception;

/// <summary>Everything that LPIPS can say of a pair.</summary>
/// <param name="Distance">[B, 1, 1, 1], or [B, 1, H, W] where a map was asked for.</param>
/// <param name="Layers">The five terms of <paramref name="Distance"/>, each of its shape.</param>
public sealed record PerceptualResult(Tensor Distance, IReadOnlyList<Tensor> Layers);

/// <summary>
/// LPIPS 0.1 (Zhang et al. 2018): distances of a classifier's features, each channel with a learnt weight. Frozen; differentiable with regard to its inputs.
/// </summary>
public sealed class Lpips : Module
{
    private static readonly float[] Shift = [-0.030f, -0.088f, -0.188f];
    private static readonly float[] Spread = [0.458f, 0.448f, 0.450f];

    [ComponentName(Name = "net")] private readonly LpipsBackbone _net;
    [ComponentName(Name = "lins")] private readonly ModuleList<Conv2d> _heads;

    /// <summary>A metric with random weights, to be loaded.</summary>
    public Lpips(LpipsNetwork network)
        : base(nameof(Lpips))
    {
        _net = new LpipsBackbone(network);
        _heads = ModuleList(_net.Widths.Select(width => Conv2d(width, 1, 1, bias: false)).ToArray());
        RegisterComponents();
        this.Freeze();
    }

    /// <summary>The backbone's tensors under torchvision's names.</summary>
    public Dictionary<string, Tensor> BackboneTensors() => _net.state_dict();

    /// <summary>The heads' tensors under the lpips package's names, <c>lin0.model.1.weight</c> to <c>lin4.model.1.weight</c>.</summary>
    public Dictionary<string, Tensor> HeadTensors() =>
        Enumerable.Range(0, _heads.Count).ToDictionary(i => $"lin{i}.model.1.weight", i => (Tensor)_heads[i].weight!, StringComparer.Ordinal);

    /// <summary>Loads a backbone's classifier (what it has besides the convolutions is passed over) and the heads.</summary>
    /// <exception cref="WeightFileException">Something is missing or of another shape, or a head has negative weights, with which this is no distance.</exception>
    public void Load(IWeightSource backbone, IWeightSource heads)
    {
        StrictLoader.Load(BackboneTensors(), backbone, new LoadOptions { Ignore = name => name.StartsWith("classifier.", StringComparison.Ordinal) });
        StrictLoader.Load(HeadTensors(), heads);
        RequireDistance();
    }

    /// <summary>The taps of pictures, before they are normalised: five maps.</summary>
    /// <param name="picture">[B, 3, H, W] in [-1, 1].</param>
    public IReadOnlyList<Tensor> Taps(Tensor picture)
    {
        using var scope = NewDisposeScope();
        var shift = tensor(Shift).reshape(1, 3, 1, 1).to(picture.device);
        var spread = tensor(Spread).reshape(1, 3, 1, 1).to(picture.device);
        return [.. _net.Taps((picture - shift) / spread).Select(t => t.MoveToOuterDisposeScope())];
    }

    /// <summary>The distance of each pair.</summary>
    /// <param name="a">[B, 3, H, W] in [-1, 1].</param>
    /// <param name="b">As <paramref name="a"/>.</param>
    /// <param name="spatial">Whether a map of the pictures' size is wanted instead of its mean.</param>
    /// <param name="weighted">False leaves the heads out and sums all channels alike.</param>
    public PerceptualResult Compare(Tensor a, Tensor b, bool spatial = false, bool weighted = true)
    {
        using var scope = NewDisposeScope();
        var size = spatial ? new[] { a.shape[2], a.shape[3] } : null;
        var first = Taps(a);
        var second = Taps(b);
        var layers = first.Zip(second, (x, y) => (X: x, Y: y)).Select((tap, i) =>
        {
            using var inner = NewDisposeScope();
            var map = FeatureDistance.Map(
                FeatureDistance.UnitWithEpsilonOutside(tap.X), FeatureDistance.UnitWithEpsilonOutside(tap.Y), weighted ? _heads[i].weight : null);
            return FeatureDistance.Gather(map, size).MoveToOuterDisposeScope();
        }).ToList();
        var sum = layers.Skip(1).Aggregate(layers[0], (x, y) => x + y);
        return new PerceptualResult(sum.MoveToOuterDisposeScope(), [.. layers.Select(l => l.MoveToOuterDisposeScope())]);
    }

    private void RequireDistance()
    {
        foreach (var (name, head) in HeadTensors())
        {
            if (head.min().item<float>() < 0)
                throw new WeightFileException($"{name} has negative weights: that is no distance");
        }
    }
}
