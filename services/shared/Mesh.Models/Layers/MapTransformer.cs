using Mesh.Models.Networks;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>Attention and feed-forward over the positions of a feature map, by 1x1 convolutions; AuraSR's.</summary>
public sealed class MapTransformer : Module<Tensor, Tensor>
{
    [ComponentName(Name = "layers")] private readonly ModuleList<Layer> _layers;

    /// <summary>Layers with random weights.</summary>
    /// <param name="channels">Width of the feature map.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="depth">Number of layers.</param>
    /// <param name="device">Where the weights are made.</param>
    public MapTransformer(int channels, int headSize, int heads, int depth, Device? device = null)
        : base(nameof(MapTransformer))
    {
        _layers = ModuleList(Enumerable.Range(0, depth).Select(_ => new Layer(channels, headSize, heads, device)).ToArray());
        RegisterComponents();
    }

    /// <param name="x">[B, C, H, W].</param>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        foreach (var layer in _layers)
        {
            x = layer.Attention.call(x) + x;
            x = layer.FeedForward.call(x) + x;
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <summary>The channel norm before the attention of one layer.</summary>
    public Tensor Norm(int layer, Tensor x) => _layers[layer].Attention.Norm.call(x);

    /// <summary>The attention of one layer, its norm included, without the sum.</summary>
    public Tensor Attend(int layer, Tensor x) => _layers[layer].Attention.call(x);

    /// <summary>The feed-forward part of one layer, its norm included, without the sum.</summary>
    public Tensor Feed(int layer, Tensor x) => _layers[layer].FeedForward.call(x);

    private sealed class Layer : Module
    {
        [ComponentName(Name = "0")] private readonly MapAttention _attention;
        [ComponentName(Name = "1")] private readonly MapFeedForward _feedForward;

        public Layer(int channels, int headSize, int heads, Device? device)
            : base(nameof(Layer))
        {
            _attention = new MapAttention(channels, headSize, heads, device);
            _feedForward = new MapFeedForward(channels, device);
            RegisterComponents();
        }

        public MapAttention Attention => _attention;

        public MapFeedForward FeedForward => _feedForward;
    }

    // Channels divided by their length, times a gain.
    private sealed class ChannelNorm : Module<Tensor, Tensor>, IOwnWeights
    {
        private readonly double _root;
        [ComponentName(Name = "g")] private Parameter _gain;

        public ChannelNorm(int channels, Device? device)
            : base(nameof(ChannelNorm))
        {
            _root = Math.Sqrt(channels);
            _gain = new Parameter(ones([1, channels, 1, 1], device: device));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return (F.normalize(x, dim: 1) * (_gain * _root)).MoveToOuterDisposeScope();
        }

        void IOwnWeights.Allocate(ScalarType dtype) => ConditionallyRegisterParameter("g", _gain = BlankNetwork.Like(_gain, dtype));
    }

    // Published files hold a scale that nothing uses.
    private sealed class Unused : Module, IOwnWeights
    {
        [ComponentName(Name = "scale")] private Parameter _scale;

        public Unused(Device? device)
            : base(nameof(Unused))
        {
            _scale = new Parameter(zeros([1], device: device));
            RegisterComponents();
        }

        void IOwnWeights.Allocate(ScalarType dtype) => ConditionallyRegisterParameter("scale", _scale = BlankNetwork.Like(_scale, dtype));
    }

    private sealed class MapAttention : Module<Tensor, Tensor>
    {
        private readonly int _heads;
        [ComponentName(Name = "norm")] private readonly ChannelNorm _norm;
        [ComponentName(Name = "attend")] private readonly Unused _attend;
        [ComponentName(Name = "to_qkv")] private readonly Conv2d _queryKeyValue;
        [ComponentName(Name = "to_out")] private readonly Conv2d _out;

        public MapAttention(int channels, int headSize, int heads, Device? device)
            : base(nameof(MapAttention))
        {
            _heads = heads;
            _norm = new ChannelNorm(channels, device);
            _attend = new Unused(device);
            _queryKeyValue = Conv2d(channels, 3 * heads * headSize, 1, bias: false, device: device);
            _out = Conv2d(heads * headSize, channels, 1, device: device);
            RegisterComponents();
        }

        public ChannelNorm Norm => _norm;

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var (batch, height, width) = (x.shape[0], x.shape[2], x.shape[3]);
            var parts = _queryKeyValue.call(_norm.call(x)).chunk(3, 1); // 3 of [B, heads·d, H, W]
            Tensor Split(Tensor t) => t.reshape(batch, _heads, -1, height * width).transpose(2, 3); // [B, heads, HW, d]
            var mixed = F.scaled_dot_product_attention(Split(parts[0]), Split(parts[1]), Split(parts[2])); // [B, heads, HW, d]
            var joined = mixed.transpose(2, 3).reshape(batch, -1, height, width); // [B, heads·d, H, W]
            return _out.call(joined).MoveToOuterDisposeScope(); // [B, C, H, W]
        }
    }

    private sealed class MapFeedForward : Module<Tensor, Tensor>
    {
        private const int Expansion = 4;

        [ComponentName(Name = "0")] private readonly ChannelNorm _norm;
        [ComponentName(Name = "1")] private readonly Conv2d _in;
        [ComponentName(Name = "3")] private readonly Conv2d _out;

        public MapFeedForward(int channels, Device? device)
            : base(nameof(MapFeedForward))
        {
            _norm = new ChannelNorm(channels, device);
            _in = Conv2d(channels, Expansion * channels, 1, device: device);
            _out = Conv2d(Expansion * channels, channels, 1, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = F.gelu(_in.call(_norm.call(x))); // [B, 4C, H, W]
            return _out.call(h).MoveToOuterDisposeScope(); // [B, C, H, W]
        }
    }
}
