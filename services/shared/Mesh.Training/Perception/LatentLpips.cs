using Mesh.Models.Weights;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Training.Perception;

/// <summary>An autoencoder's latents: how many channels they have, and how the raw ones are brought to the size that networks see.</summary>
/// <param name="Channels">Channels of a latent.</param>
/// <param name="Scale">The factor.</param>
/// <param name="Shift">Subtracted before.</param>
public readonly record struct LatentKind(int Channels, double Scale, double Shift = 0)
{
    /// <summary>The kinds for which weights were published, by name.</summary>
    public static IReadOnlyDictionary<string, LatentKind> Known { get; } = new Dictionary<string, LatentKind>(StringComparer.Ordinal)
    {
        ["sd15"] = new(4, 0.18215), ["sd21"] = new(4, 0.18215), ["sdxl"] = new(4, 0.13025), ["sd3"] = new(16, 1.5305, 0.0609), ["flux"] = new(16, 0.3611, 0.1159),
    };

    /// <summary>(latent − shift)·scale.</summary>
    public Tensor Normalise(Tensor latent)
    {
        using var shifted = latent - Shift;
        return shifted * Scale;
    }
}

/// <summary>How a pair of latents is compared.</summary>
/// <param name="AddAbsolute">Whether the mean absolute difference of the pair, before it is augmented, is added.</param>
/// <param name="Spatial">Whether a map of the latents' size is wanted instead of its mean.</param>
/// <param name="Weighted">False leaves the heads out and sums all channels alike.</param>
public sealed record LatentComparison(bool AddAbsolute = true, bool Spatial = false, bool Weighted = true);

/// <summary>
/// E-LatentLPIPS (Kang et al. 2024): LPIPS on latents, seen through one random transformation that both share. Frozen, in float32; differentiable
/// with regard to its inputs. Pairs are in the scaled units that U-Nets see; see <see cref="LatentKind.Normalise"/>.
/// </summary>
public sealed class LatentLpips : Module
{
    [ComponentName(Name = "net")] private readonly LatentTrunk _net;
    [ComponentName(Name = "lin0")] private readonly Head _head0;
    [ComponentName(Name = "lin1")] private readonly Head _head1;
    [ComponentName(Name = "lin2")] private readonly Head _head2;
    [ComponentName(Name = "lin3")] private readonly Head _head3;
    [ComponentName(Name = "lin4")] private readonly Head _head4;

    /// <summary>A metric with random weights, to be loaded.</summary>
    /// <param name="channels">Channels of the latents.</param>
    public LatentLpips(int channels)
        : base(nameof(LatentLpips))
    {
        _net = new LatentTrunk(channels);
        _head0 = new Head(LatentTrunk.Widths[0]);
        _head1 = new Head(LatentTrunk.Widths[1]);
        _head2 = new Head(LatentTrunk.Widths[2]);
        _head3 = new Head(LatentTrunk.Widths[3]);
        _head4 = new Head(LatentTrunk.Widths[4]);
        RegisterComponents();
        this.Freeze();
    }

    private Head[] Heads => [_head0, _head1, _head2, _head3, _head4];

    /// <summary>Loads a calibrated metric: <c>net.sliceK.N.…</c> and <c>linK.model.1.weight</c>, whose doubles under <c>lins.</c> and whose buffers of
    /// the augmentation are passed over.</summary>
    /// <exception cref="WeightFileException">Something is missing or of another shape, or a head has negative weights, with which this is no distance.</exception>
    public void Load(IWeightSource source)
    {
        StrictLoader.Load(Tensors(), source, new LoadOptions { Ignore = name => IsDouble(name) || name.EndsWith("num_batches_tracked", StringComparison.Ordinal) });
        foreach (var (head, i) in Heads.Select((h, i) => (h, i)))
        {
            if (head.Weight.min().item<float>() < 0)
                throw new WeightFileException($"lin{i}.model.1.weight has negative weights: that is no distance");
        }
    }

    /// <summary>The tensors that have values of their own, by name: all but the counters of batches.</summary>
    public Dictionary<string, Tensor> Tensors() => state_dict().Where(t => t.Value.is_floating_point()).ToDictionary(t => t.Key, t => t.Value, StringComparer.Ordinal);

    /// <summary>Whether a published file holds the tensor for nothing.</summary>
    public static bool IsDouble(string name) => name.StartsWith("lins.", StringComparison.Ordinal) || name.StartsWith("augment.", StringComparison.Ordinal);

    /// <summary>The trunk's five taps.</summary>
    /// <param name="latent">[B, C, H, W].</param>
    public IReadOnlyList<Tensor> Taps(Tensor latent) => _net.Taps(latent);

    /// <summary>The distance of each pair.</summary>
    /// <param name="a">[B, C, H, W], float32.</param>
    /// <param name="b">As <paramref name="a"/>.</param>
    /// <param name="options">How.</param>
    /// <param name="augmentation">The transformation that both go through; null for none.</param>
    public PerceptualResult Compare(Tensor a, Tensor b, LatentComparison options, LatentAugmentation? augmentation = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var scope = NewDisposeScope();
        var size = options.Spatial ? new[] { a.shape[2], a.shape[3] } : null;

        // 1. What is compared as it is.
        var absolute = options.AddAbsolute ? (a - b).abs().mean([1, 2, 3], keepdim: true) : null; // [B, 1, 1, 1]

        // 2. The same transformation for both.
        var (x, y) = augmentation is null ? (a, b) : (augmentation.Apply(a), augmentation.Apply(b));

        // 3. Features, compared slice by slice.
        var first = _net.Taps(x);
        var second = _net.Taps(y);
        var layers = new List<Tensor>();
        for (var i = 0; i < first.Count; i++)
        {
            using var inner = NewDisposeScope();
            var map = FeatureDistance.Map(
                FeatureDistance.UnitWithEpsilonInside(first[i]), FeatureDistance.UnitWithEpsilonInside(second[i]), options.Weighted ? Heads[i].Weight : null);
            layers.Add(FeatureDistance.Gather(map, size).MoveToOuterDisposeScope());
        }

        var sum = layers.Skip(1).Aggregate(layers[0], (p, q) => p + q);
        return new PerceptualResult((absolute is null ? sum : sum + absolute).MoveToOuterDisposeScope(), [.. layers.Select(l => l.MoveToOuterDisposeScope())]);
    }

    // The published heads are a dropout and a convolution in a row, hence "model.1"; the dropout does nothing here.
    private sealed class Head : Module
    {
        [ComponentName(Name = "model")] private readonly Steps _model;

        public Head(int width)
            : base(nameof(Head))
        {
            _model = new Steps(width);
            RegisterComponents();
        }

        public Tensor Weight => _model.Convolution.weight!;
    }

    private sealed class Steps : Module
    {
        [ComponentName(Name = "1")] private readonly Conv2d _convolution;

        public Steps(int width)
            : base(nameof(Steps))
        {
            _convolution = Conv2d(width, 1, 1, bias: false);
            RegisterComponents();
        }

        public Conv2d Convolution => _convolution;
    }
}
