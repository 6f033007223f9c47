using Mesh.Models.Networks;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>
/// A 3x3 convolution whose kernel is mixed from a bank, modulated by input channel and normalised by output channel, for each sample on its own.
/// </summary>
public sealed class AdaptiveConv : Module<Tensor, Tensor, Tensor, Tensor>, IOwnWeights
{
    private const int Side = 3;
    private const double LeastNorm = 1e-8; // of the sum of squares

    [ComponentName(Name = "weights")] private Parameter _weights;

    /// <summary>A layer with random weights.</summary>
    /// <param name="input">Channels in.</param>
    /// <param name="output">Channels out.</param>
    /// <param name="kernels">Kernels in the bank.</param>
    /// <param name="device">Where the weights are made.</param>
    public AdaptiveConv(int input, int output, int kernels, Device? device = null)
        : base(nameof(AdaptiveConv))
    {
        // Their scale is without meaning: kernels are normalised.
        _weights = new Parameter(randn([kernels, output, input, Side, Side], device: device));
        RegisterComponents();
    }

    void IOwnWeights.Allocate(ScalarType dtype) => ConditionallyRegisterParameter("weights", _weights = BlankNetwork.Like(_weights, dtype));

    internal int[] ModulationWidths => [(int)_weights.shape[2], (int)_weights.shape[0]];

    /// <param name="x">[B, input, H, W].</param>
    /// <param name="modulation">[B, input], or [1, input] for all samples.</param>
    /// <param name="logits">[B, kernels], or [1, kernels] for all samples.</param>
    /// <returns>[B, output, H, W].</returns>
    public override Tensor forward(Tensor x, Tensor modulation, Tensor logits)
    {
        using var scope = NewDisposeScope();
        if (modulation.shape[0] == 1)
            return Convolve(x, modulation, logits).MoveToOuterDisposeScope();

        // One sample after the other: what a sample becomes does not depend on those beside it.
        var results = new Tensor[x.shape[0]];
        for (var b = 0; b < results.Length; b++)
            results[b] = Convolve(x.narrow(0, b, 1), modulation.narrow(0, b, 1), logits.narrow(0, b, 1));
        return cat(results, 0).MoveToOuterDisposeScope();
    }

    // Making a kernel of some MB takes about as long as using it on a small map: no pass over it that need not be.
    private Tensor Convolve(Tensor x, Tensor modulation, Tensor logits)
    {
        using var scope = NewDisposeScope();
        var (kernels, output, input) = (_weights.shape[0], _weights.shape[1], _weights.shape[2]);

        // 1. Mix the bank.
        var mixed = _weights.view(kernels, -1).t().mv(logits.softmax(1).view(-1)); // [output·input·9]

        // 2. Modulate by input channel.
        var kernel = Ops.Multiply(mixed.view(output, input, Side, Side), (modulation + 1).view(1, input, 1, 1));

        // 3. Normalise by output channel: the kernel, or what it gives, where that is smaller.
        var norm = linalg.vector_norm(kernel.view(output, -1), 2, [1]).clamp_min(Math.Sqrt(LeastNorm)).reciprocal(); // [output]
        if (input * Side * Side <= x.shape[2] * x.shape[3])
            return F.conv2d(x, Ops.Multiply(kernel, norm.view(output, 1, 1, 1)), padding: [1, 1]).MoveToOuterDisposeScope();
        return Ops.Multiply(F.conv2d(x, kernel, padding: [1, 1]), norm.view(1, output, 1, 1)).MoveToOuterDisposeScope();
    }
}

/// <summary>Two adaptive convolutions, SiLU after each, plus the input, through a 1x1 convolution where widths differ.</summary>
internal sealed class AdaptiveBlock : Module
{
    [ComponentName(Name = "block1")] private readonly Half _first;
    [ComponentName(Name = "block2")] private readonly Half _second;
    [ComponentName(Name = "res_conv")] private readonly Conv2d? _shortcut;

    public AdaptiveBlock(int input, int output, int kernels, Device? device)
        : base(nameof(AdaptiveBlock))
    {
        _first = new Half(input, output, kernels, device);
        _second = new Half(output, output, kernels, device);
        _shortcut = input == output ? null : Conv2d(input, output, 1, device: device);
        RegisterComponents();
    }

    /// <summary>Widths of the four pieces that the block takes: modulation and kernel logits of either convolution.</summary>
    public IEnumerable<int> ModulationWidths => [.. _first.Projection.ModulationWidths, .. _second.Projection.ModulationWidths];

    /// <summary>Takes four pieces off <paramref name="pieces"/>.</summary>
    public Tensor Run(Tensor x, Queue<Tensor> pieces)
    {
        using var scope = NewDisposeScope();
        var h = Ops.SiLU(_first.Projection.call(x, pieces.Dequeue(), pieces.Dequeue())); // [B, output, H, W]
        h = Ops.SiLU(Ops.Next(h, _second.Projection.call(h, pieces.Dequeue(), pieces.Dequeue())));
        return Ops.Add(h, _shortcut is null ? x : _shortcut.call(x)).MoveToOuterDisposeScope();
    }

    private sealed class Half : Module
    {
        [ComponentName(Name = "proj")] private readonly AdaptiveConv _projection;

        public Half(int input, int output, int kernels, Device? device)
            : base(nameof(Half))
        {
            _projection = new AdaptiveConv(input, output, kernels, device);
            RegisterComponents();
        }

        public AdaptiveConv Projection => _projection;
    }
}
