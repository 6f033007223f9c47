using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Evaluation;
using static TorchSharp.torch;

namespace Mesh.Training.Optimisation;

/// <summary>
/// The weights that a network begins with when it is trained from nothing. They are drawn in the order of the parameters' names from a generator of
/// our own, so that a seed gives the same weights with every library.
/// </summary>
public static class InitialWeights
{
    private const double TokenSpread = 0.02;
    private const double PositionSpread = 0.01;

    // Where a block's branch joins what goes past it, and the network's last layer: at zero, the network begins as the identity around its skips and
    // says nothing, as the latent diffusion model's own U-Net does.
    private static readonly string[] LastOfBranch = ["conv2", "proj_out", "conv_out"];

    /// <summary>
    /// CLIP's rule (Radford et al. 2021): normal everywhere; tokens 0.02, positions 0.01; attention width^-½, the way into a feed-forward part
    /// (2·width)^-½, what a layer adds to the residual width^-½·(2·layers)^-½, the projection width^-½; biases 0.
    /// </summary>
    public static void Of(ClipTextEncoder tower, TorchGenerator random)
    {
        ArgumentNullException.ThrowIfNull(tower);
        ArgumentNullException.ThrowIfNull(random);
        var config = tower.Config;
        Each(tower, (name, value) => FillTower(name, value, new TowerSpreads(config.HiddenSize, config.Layers, TokenSpread, PositionSpread), random));
    }

    /// <summary>As the text tower; class token and positions width^-½, patches as any convolution.</summary>
    public static void Of(ClipVision tower, TorchGenerator random)
    {
        ArgumentNullException.ThrowIfNull(tower);
        ArgumentNullException.ThrowIfNull(random);
        var (width, layers) = (tower.Config.HiddenSize, tower.Config.Layers);
        Each(tower, (name, value) => FillTower(name, value, new TowerSpreads(width, layers, 1 / Math.Sqrt(width), 1 / Math.Sqrt(width)), random));
    }

    /// <summary>PyTorch's rule for each layer (even over ±1/√inputs), and zero for the last layer of each branch and of the whole.</summary>
    public static void Of(UNet network, TorchGenerator random) => Layers(network, random, LastOfBranch);

    /// <summary>PyTorch's rule for each layer.</summary>
    public static void Of(AutoencoderKL network, TorchGenerator random) => Layers(network, random, []);

    private static void Layers(nn.Module network, TorchGenerator random, string[] zero)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(random);
        var inputs = network.named_parameters().Where(p => p.Item2.dim() > 1)
            .ToDictionary(p => Owner(p.Item1), p => Inputs(p.Item2), StringComparer.Ordinal);
        Each(network, (name, value) =>
        {
            var owner = Owner(name);
            if (!inputs.TryGetValue(owner, out var count))
                Norm(name, value);
            else if (zero.Contains(owner[(owner.LastIndexOf('.') + 1)..]))
                value.zero_();
            else
                Even(value, 1 / Math.Sqrt(count), random);
        });
    }

    private static void FillTower(string name, Tensor value, TowerSpreads spreads, TorchGenerator random)
    {
        if (name.EndsWith(".patch_embedding.weight", StringComparison.Ordinal))
            Even(value, 1 / Math.Sqrt(Inputs(value)), random);
        else if (spreads.Of(name) is { } spread)
            Normal(value, spread, random);
        else if (name.EndsWith(".bias", StringComparison.Ordinal))
            value.zero_();
        else if (value.dim() == 1)
            value.fill_(1);
        else
            throw new InvalidOperationException($"there is no rule for how {name} begins");
    }

    private static void Each(nn.Module network, Action<string, Tensor> fill)
    {
        using var mode = no_grad();
        foreach (var (name, value) in network.named_parameters().OrderBy(p => p.Item1, StringComparer.Ordinal))
            fill(name, value);
    }

    private static string Owner(string name) => name[..Math.Max(0, name.LastIndexOf('.'))];

    private static long Inputs(Tensor weight) => weight.shape[1..].Aggregate(1L, (a, b) => a * b);

    private static void Norm(string name, Tensor value)
    {
        if (name.EndsWith(".bias", StringComparison.Ordinal))
            value.zero_();
        else
            value.fill_(1);
    }

    private static void Normal(Tensor value, double spread, TorchGenerator random)
    {
        var drawn = new float[value.numel()];
        random.Normals(drawn);
        Put(value, drawn, x => (float)(x * spread));
    }

    private static void Even(Tensor value, double bound, TorchGenerator random)
    {
        var drawn = new float[value.numel()];
        random.Uniforms(drawn);
        Put(value, drawn, x => (float)(((2.0 * x) - 1) * bound));
    }

    private static void Put(Tensor value, float[] drawn, Func<float, float> scale)
    {
        for (var i = 0; i < drawn.Length; i++)
            drawn[i] = scale(drawn[i]);
        using var scope = NewDisposeScope();
        value.copy_(tensor(drawn).reshape(value.shape));
    }

    /// <summary>Standard deviations within a transformer of a width and number of layers.</summary>
    private readonly record struct TowerSpreads(int Width, int Layers, double Token, double Position)
    {
        private double Own => 1 / Math.Sqrt(Width);

        public double? Of(string name) => name switch
        {
            _ when Is(name, "token_embedding.weight") || Is(name, "class_embedding") => Token,
            _ when Is(name, "position_embedding.weight") => Position,
            _ when Is(name, "q_proj.weight") || Is(name, "k_proj.weight") || Is(name, "v_proj.weight") => Own,
            _ when Is(name, "out_proj.weight") || Is(name, "fc2.weight") => Own / Math.Sqrt(2.0 * Layers),
            _ when Is(name, "fc1.weight") => Own / Math.Sqrt(2),
            _ when Is(name, "text_projection.weight") || Is(name, "visual_projection.weight") => Own,
            _ => null,
        };

        private static bool Is(string name, string end) => name.EndsWith(end, StringComparison.Ordinal);
    }
}
