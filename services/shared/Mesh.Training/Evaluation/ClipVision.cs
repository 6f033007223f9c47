using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Evaluation;

/// <summary>The knobs of CLIP's picture tower.</summary>
public sealed record ClipVisionConfig
{
    /// <summary>Width of the states.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width inside the feed-forward part.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads of each layer.</summary>
    public required int Heads { get; init; }

    /// <summary>Side of the pictures.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Side of the patches that become tokens.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Width of the projected picture.</summary>
    public required int ProjectionDim { get; init; }

    /// <summary>Whether the activation is x·σ(1.702x) instead of GELU.</summary>
    public required bool QuickGelu { get; init; }
}

/// <summary>CLIP's picture tower with its projection (transformers' names: <c>vision_model.…</c>, <c>visual_projection.weight</c>).</summary>
public sealed class ClipVision : Module<Tensor, Tensor>
{
    private const double NormEps = 1e-5;

    [ComponentName(Name = "vision_model")] private readonly Tower _tower;
    [ComponentName(Name = "visual_projection")] private readonly Linear _projection;

    /// <summary>A tower with random weights.</summary>
    public ClipVision(ClipVisionConfig config)
        : base(nameof(ClipVision))
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        _tower = new Tower(config);
        _projection = Linear(config.HiddenSize, config.ProjectionDim, hasBias: false);
        RegisterComponents();
    }

    /// <summary>What the tower was built from.</summary>
    public ClipVisionConfig Config { get; }

    /// <summary>The projected state of the class token, not normalised.</summary>
    /// <param name="pixels">[B, 3, side, side], as CLIP scales them.</param>
    /// <returns>[B, projection].</returns>
    public override Tensor forward(Tensor pixels)
    {
        using var pooled = _tower.call(pixels);
        return _projection.call(pooled);
    }

    private sealed class Tower : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "embeddings")] private readonly Patches _embeddings;
        [ComponentName(Name = "pre_layrnorm")] private readonly LayerNorm _normIn; // the name is misspelt in the published files
        [ComponentName(Name = "encoder")] private readonly Encoder _encoder;
        [ComponentName(Name = "post_layernorm")] private readonly LayerNorm _normOut;

        public Tower(ClipVisionConfig config)
            : base(nameof(Tower))
        {
            _embeddings = new Patches(config);
            _normIn = LayerNorm(config.HiddenSize, NormEps);
            _encoder = new Encoder(config);
            _normOut = LayerNorm(config.HiddenSize, NormEps);
            RegisterComponents();
        }

        public override Tensor forward(Tensor pixels)
        {
            using var scope = NewDisposeScope();
            var states = _encoder.call(_normIn.call(_embeddings.call(pixels))); // [B, 1 + N, width]
            return _normOut.call(states.select(1, 0)).MoveToOuterDisposeScope(); // [B, width]
        }
    }

    private sealed class Patches : Module<Tensor, Tensor>
    {
        private const double TokenSpread = 0.02;

        [ComponentName(Name = "class_embedding")] private readonly Parameter _class;
        [ComponentName(Name = "patch_embedding")] private readonly Conv2d _patches;
        [ComponentName(Name = "position_embedding")] private readonly Embedding _positions;

        public Patches(ClipVisionConfig config)
            : base(nameof(Patches))
        {
            var side = config.ImageSize / config.PatchSize;
            _class = new Parameter(randn(config.HiddenSize) * TokenSpread);
            _patches = Conv2d(3, config.HiddenSize, config.PatchSize, stride: config.PatchSize, bias: false);
            _positions = Embedding((side * side) + 1, config.HiddenSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor pixels)
        {
            using var scope = NewDisposeScope();
            var patches = _patches.call(pixels).flatten(2).transpose(1, 2); // [B, N, width]
            var first = _class.reshape(1, 1, -1).expand(patches.shape[0], 1, -1); // [B, 1, width]
            return (cat([first, patches], 1) + _positions.weight!.unsqueeze(0)).MoveToOuterDisposeScope(); // [B, 1 + N, width]
        }
    }

    private sealed class Encoder : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "layers")] private readonly ModuleList<Layer> _layers;

        public Encoder(ClipVisionConfig config)
            : base(nameof(Encoder))
        {
            _layers = ModuleList(Enumerable.Range(0, config.Layers).Select(_ => new Layer(config)).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => _layers.Aggregate(x, (y, layer) => layer.call(y));
    }

    private sealed class Layer : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "self_attn")] private readonly SelfAttention _attention;
        [ComponentName(Name = "layer_norm1")] private readonly LayerNorm _norm1;
        [ComponentName(Name = "mlp")] private readonly FeedForward _feedForward;
        [ComponentName(Name = "layer_norm2")] private readonly LayerNorm _norm2;

        public Layer(ClipVisionConfig config)
            : base(nameof(Layer))
        {
            _attention = new SelfAttention(config);
            _norm1 = LayerNorm(config.HiddenSize, NormEps);
            _feedForward = new FeedForward(config);
            _norm2 = LayerNorm(config.HiddenSize, NormEps);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = x + _attention.call(_norm1.call(x)); // [B, N, width]
            return (h + _feedForward.call(_norm2.call(h))).MoveToOuterDisposeScope();
        }
    }

    private sealed class SelfAttention : Module<Tensor, Tensor>
    {
        private readonly int _heads;
        [ComponentName(Name = "q_proj")] private readonly Linear _query;
        [ComponentName(Name = "k_proj")] private readonly Linear _key;
        [ComponentName(Name = "v_proj")] private readonly Linear _value;
        [ComponentName(Name = "out_proj")] private readonly Linear _out;

        public SelfAttention(ClipVisionConfig config)
            : base(nameof(SelfAttention))
        {
            _heads = config.Heads;
            _query = Linear(config.HiddenSize, config.HiddenSize);
            _key = Linear(config.HiddenSize, config.HiddenSize);
            _value = Linear(config.HiddenSize, config.HiddenSize);
            _out = Linear(config.HiddenSize, config.HiddenSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var mixed = F.scaled_dot_product_attention(Split(_query.call(x)), Split(_key.call(x)), Split(_value.call(x))); // [B, heads, N, d]
            return _out.call(mixed.transpose(1, 2).reshape(x.shape)).MoveToOuterDisposeScope();
        }

        private Tensor Split(Tensor x) => x.view(x.shape[0], x.shape[1], _heads, -1).transpose(1, 2); // [B, heads, N, d]
    }

    private sealed class FeedForward : Module<Tensor, Tensor>
    {
        private const double QuickSlope = 1.702;

        private readonly bool _quick;
        [ComponentName(Name = "fc1")] private readonly Linear _in;
        [ComponentName(Name = "fc2")] private readonly Linear _out;

        public FeedForward(ClipVisionConfig config)
            : base(nameof(FeedForward))
        {
            _quick = config.QuickGelu;
            _in = Linear(config.HiddenSize, config.IntermediateSize);
            _out = Linear(config.IntermediateSize, config.HiddenSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _in.call(x);
            h = _quick ? h * (h * QuickSlope).sigmoid() : F.gelu(h);
            return _out.call(h).MoveToOuterDisposeScope();
        }
    }
}
