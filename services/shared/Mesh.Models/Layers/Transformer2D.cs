using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>Transformer blocks over the positions of a feature map, between two projections, plus the input.</summary>
internal sealed class Transformer2D : Module<Tensor, Tensor, Tensor>
{
    private const double NormEps = 1e-6; // fixed, whatever norm_eps the configuration has

    [ComponentName(Name = "norm")] private readonly GroupNorm _norm;
    [ComponentName(Name = "proj_in")] private readonly Module<Tensor, Tensor> _projectIn;
    [ComponentName(Name = "transformer_blocks")] private readonly ModuleList<TransformerBlock> _blocks;
    [ComponentName(Name = "proj_out")] private readonly Module<Tensor, Tensor> _projectOut;
    private readonly bool _linear;

    /// <param name="channels">Width of the feature map.</param>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="heads">Heads of each attention.</param>
    /// <param name="context">Width of the text states.</param>
    /// <param name="linear">Whether the projections are linear layers instead of 1x1 convolutions.</param>
    /// <param name="groups">Groups of the norm.</param>
    /// <param name="device">Where the weights are made.</param>
    public Transformer2D(int channels, int depth, int heads, int context, bool linear, int groups, Device? device)
        : base(nameof(Transformer2D))
    {
        _linear = linear;
        var inner = channels / heads * heads;
        _norm = GroupNorm(groups, channels, NormEps, device: device);
        _projectIn = linear ? Linear(channels, inner, device: device) : Conv2d(channels, inner, 1, device: device);
        _blocks = ModuleList(Enumerable.Range(0, depth).Select(_ => new TransformerBlock(inner, context, heads, device)).ToArray());
        _projectOut = linear ? Linear(inner, channels, device: device) : Conv2d(inner, channels, 1, device: device);
        RegisterComponents();
    }

    /// <param name="x">[B, C, H, W].</param>
    /// <param name="context">Text states, [B, M, context].</param>
    public override Tensor forward(Tensor x, Tensor context)
    {
        using var scope = NewDisposeScope();
        var (batch, height, width) = (x.shape[0], x.shape[2], x.shape[3]);

        // 1. Positions become tokens.
        var h = _norm.call(x); // [B, C, H, W]
        if (!_linear)
            h = Ops.Next(h, _projectIn.call(h));
        h = h.permute(0, 2, 3, 1).reshape(batch, height * width, -1); // [B, HW, C]
        if (_linear)
            h = _projectIn.call(h);

        // 2. Blocks.
        foreach (var block in _blocks)
            h = Ops.Next(h, block.call(h, context));

        // 3. And positions again.
        if (_linear)
            h = Ops.Next(h, _projectOut.call(h));
        h = h.reshape(batch, height, width, -1).permute(0, 3, 1, 2); // [B, C, H, W]
        if (!_linear)
            h = _projectOut.call(h);
        return (h + x).MoveToOuterDisposeScope();
    }
}

/// <summary>Self-attention, attention to the text, feed-forward; each after a layer norm and added to its input.</summary>
internal sealed class TransformerBlock : Module<Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "norm1")] private readonly LayerNorm _norm1;
    [ComponentName(Name = "attn1")] private readonly Attention _self;
    [ComponentName(Name = "norm2")] private readonly LayerNorm _norm2;
    [ComponentName(Name = "attn2")] private readonly Attention _cross;
    [ComponentName(Name = "norm3")] private readonly LayerNorm _norm3;
    [ComponentName(Name = "ff")] private readonly FeedForward _feedForward;

    public TransformerBlock(int channels, int context, int heads, Device? device)
        : base(nameof(TransformerBlock))
    {
        _norm1 = LayerNorm(channels, device: device);
        _self = new Attention(channels, channels, heads, bias: false, device);
        _norm2 = LayerNorm(channels, device: device);
        _cross = new Attention(channels, context, heads, bias: false, device);
        _norm3 = LayerNorm(channels, device: device);
        _feedForward = new FeedForward(channels, device);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor context)
    {
        using var scope = NewDisposeScope();
        var h = Ops.Add(_self.call(_norm1.call(x), null), x); // [B, N, C]
        h = Ops.Add(_cross.call(_norm2.call(h), context), h);
        h = Ops.Add(_feedForward.call(_norm3.call(h)), h);
        return h.MoveToOuterDisposeScope();
    }
}

/// <summary>Gated feed-forward: a layer twice as wide gives values and gates, values·GELU(gates) are projected back.</summary>
internal sealed class FeedForward : Module<Tensor, Tensor>
{
    private const int Expansion = 4;

    [ComponentName(Name = "net")] private readonly Steps _net;

    public FeedForward(int channels, Device? device)
        : base(nameof(FeedForward))
    {
        _net = new Steps(channels, device);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => _net.call(x);

    // The published names count a dropout between the two layers: net.0 and net.2.
    private sealed class Steps : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")] private readonly Gate _gate;
        [ComponentName(Name = "2")] private readonly Linear _out;

        public Steps(int channels, Device? device)
            : base(nameof(Steps))
        {
            _gate = new Gate(channels, Expansion * channels, device);
            _out = Linear(Expansion * channels, channels, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var gated = _gate.call(x); // [B, N, 4C]
            return _out.call(gated); // [B, N, C]
        }
    }

    private sealed class Gate : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "proj")] private readonly Linear _projection;

        public Gate(int channels, int inner, Device? device)
            : base(nameof(Gate))
        {
            _projection = Linear(channels, 2 * inner, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var halves = _projection.call(x).chunk(2, -1); // values, gates: [B, N, 4C] each
            return Ops.Multiply(F.gelu(halves[1]), halves[0]).MoveToOuterDisposeScope();
        }
    }
}
