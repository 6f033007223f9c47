using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Networks;

/// <summary>AuraSR, a GigaGAN-style upsampler: a U-Net whose convolutions are mixed and scaled by a random style, one tile at a time.</summary>
public sealed class AuraSR : Module<Tensor, Tensor, Tensor?, Tensor>
{
    private const double ImageNoise = 0.001;

    private readonly int[] _widths;
    [ComponentName(Name = "style_network")] private readonly StyleNetwork _style;
    [ComponentName(Name = "init_conv")] private readonly Conv2d _initConv;
    [ComponentName(Name = "downs")] private readonly ModuleList<DownStage> _downs;
    [ComponentName(Name = "mid_block1")] private readonly AdaptiveBlock _mid1;
    [ComponentName(Name = "mid_attn")] private readonly MapTransformer _midAttention;
    [ComponentName(Name = "mid_block2")] private readonly AdaptiveBlock _mid2;
    [ComponentName(Name = "ups")] private readonly ModuleList<UpStage> _ups;
    [ComponentName(Name = "final_res_block")] private readonly AdaptiveBlock _last;
    [ComponentName(Name = "final_to_rgb")] private readonly Conv2d _toRgb;
    [ComponentName(Name = "style_to_conv_modulations")] private readonly Linear _toModulations;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public AuraSR(AuraSRConfig config, Device? device = null)
        : base(nameof(AuraSR))
    {
        Config = config;
        var (down, up) = (config.DownWidths, config.UpWidths);
        AdaptiveBlock Block(int input, int output) => new(input, output, config.Kernels, device);
        _style = new StyleNetwork(config, device);
        _initConv = Conv2d(config.Channels, down[0], 7, padding: 3, device: device);
        _downs = ModuleList(Enumerable.Range(0, down.Length - 1).Select(s => new DownStage(Block, down[s], down[s + 1], device)).ToArray());
        _mid1 = Block(down[^1], down[^1]);
        _midAttention = new MapTransformer(down[^1], config.HeadSize, config.Heads, config.MidAttentionDepth, device);
        _mid2 = Block(down[^1], down[^1]);
        _ups = ModuleList(Enumerable.Range(0, up.Length - 1).Reverse()
            .Select((level, s) => new UpStage(
                Block, up[level + 1], up[level], s < config.DownMults.Length,
                config.FullAttention[level] ? new MapTransformer(up[level], config.HeadSize, config.Heads, config.AttentionDepths[level], device) : null, device))
            .ToArray());
        _last = Block(config.Dim, config.Dim);
        _toRgb = Conv2d(config.Dim, config.Channels, 1, device: device);
        _widths = [.. Blocks().SelectMany(b => b.ModulationWidths)];
        _toModulations = Linear(config.StyleOutput, _widths.Sum(), device: device);
        RegisterComponents();
    }

    /// <summary>What the network was built from.</summary>
    public AuraSRConfig Config { get; }

    /// <summary>Widths of the pieces into which the modulations are split: four for each block, in the order in which the blocks run.</summary>
    public IReadOnlyList<int> ModulationWidths => _widths;

    /// <summary>What the network computes in.</summary>
    public ScalarType Dtype => _toRgb.weight!.dtype;

    /// <summary>Where its weights are.</summary>
    public Device Device => _toRgb.weight!.device;

    /// <summary>The style of a random vector.</summary>
    /// <param name="z">[B, dim_in], near-normal.</param>
    /// <returns>[B, dim_out].</returns>
    public Tensor Style(Tensor z) => _style.call(z.to(Dtype));

    /// <summary>All modulations of a style side by side: [B, sum of <see cref="ModulationWidths"/>].</summary>
    public Tensor Modulations(Tensor style) => _toModulations.call(style);

    /// <summary>Enlarges tiles.</summary>
    /// <param name="tiles">[B, 3, h, w] in [0, 1]; sides are multiples of 2 to the number of stages down.</param>
    /// <param name="z">A random vector for each tile, [B, dim_in], or one for all, [1, dim_in].</param>
    /// <param name="noise">Normal numbers of the tiles' shape, of which a thousandth is added to them as in training; null for none.</param>
    /// <returns>[B, 3, scale·h, scale·w], not clamped.</returns>
    public override Tensor forward(Tensor tiles, Tensor z, Tensor? noise)
    {
        using var scope = NewDisposeScope();

        // 1. Input and styles.
        var x = tiles.to(Dtype);
        x = (noise is null ? x : x + (noise.to(Dtype) * ImageNoise)).clamp(0, 1);
        var pieces = new Queue<Tensor>(Modulations(Style(z)).split([.. _widths.Select(w => (long)w)], 1));
        x = _initConv.call(x); // [B, w, h, w]

        // 2. Down; every block's output is a skip.
        var skips = new Stack<Tensor>();
        foreach (var stage in _downs)
            x = stage.Run(x, pieces, skips);

        // 3. Middle.
        x = _mid1.Run(x, pieces);
        x = _midAttention.call(x);
        x = _mid2.Run(x, pieces);

        // 4. Up; the first stages take the skips.
        foreach (var stage in _ups)
            x = stage.Run(x, pieces, skips, Config.SkipScale);

        // 5. Colours.
        x = _last.Run(x, pieces);
        return _toRgb.call(x).MoveToOuterDisposeScope();
    }

    private IEnumerable<AdaptiveBlock> Blocks() =>
        [.. _downs.SelectMany(d => d.Blocks), _mid1, _mid2, .. _ups.SelectMany(u => u.Blocks), _last];

    private sealed class StyleNetwork : Module<Tensor, Tensor>
    {
        private const double Slope = 0.2;

        [ComponentName(Name = "net")] private readonly ModuleDict<ScaledLinear> _net;

        public StyleNetwork(AuraSRConfig config, Device? device)
            : base(nameof(StyleNetwork))
        {
            // The published names count the activations between the layers: net.0, net.2, …
            _net = ModuleDict(Enumerable.Range(0, config.StyleDepth)
                .Select(i => ($"{2 * i}", new ScaledLinear(i == 0 ? config.StyleInput : config.StyleOutput, config.StyleOutput, device))).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor z)
        {
            using var scope = NewDisposeScope();
            var x = F.normalize(z, dim: 1); // [B, dim_in]
            foreach (var layer in _net.values())
                x = F.leaky_relu(layer.call(x), Slope); // [B, dim_out]
            return x.MoveToOuterDisposeScope();
        }
    }

    // A linear layer that learns a tenth as fast: weight and bias count a tenth.
    private sealed class ScaledLinear : Module<Tensor, Tensor>, IOwnWeights
    {
        private const double LearningRate = 0.1;

        [ComponentName(Name = "weight")] private Parameter _weight;
        [ComponentName(Name = "bias")] private Parameter _bias;

        public ScaledLinear(int input, int output, Device? device)
            : base(nameof(ScaledLinear))
        {
            _weight = new Parameter(randn([output, input], device: device));
            _bias = new Parameter(zeros([output], device: device));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return F.linear(x, _weight * LearningRate, _bias * LearningRate).MoveToOuterDisposeScope();
        }

        void IOwnWeights.Allocate(ScalarType dtype)
        {
            ConditionallyRegisterParameter("weight", _weight = BlankNetwork.Like(_weight, dtype));
            ConditionallyRegisterParameter("bias", _bias = BlankNetwork.Like(_bias, dtype));
        }
    }

    private sealed class DownStage : Module
    {
        [ComponentName(Name = "0")] private readonly ModuleList<AdaptiveBlock> _blocks;
        [ComponentName(Name = "1")] private readonly Tail _tail;

        public DownStage(Func<int, int, AdaptiveBlock> block, int input, int output, Device? device)
            : base(nameof(DownStage))
        {
            _blocks = ModuleList(Enumerable.Range(0, AuraSRConfig.BlocksPerStage).Select(_ => block(input, input)).ToArray());
            _tail = new Tail(input, output, device);
            RegisterComponents();
        }

        public IEnumerable<AdaptiveBlock> Blocks => _blocks;

        public Tensor Run(Tensor x, Queue<Tensor> pieces, Stack<Tensor> skips)
        {
            foreach (var block in _blocks)
            {
                x = block.Run(x, pieces); // [B, input, H, W]
                skips.Push(x);
            }

            return _tail.call(x); // [B, output, H/2, W/2]
        }

        // Index 0 is an attention that the published network does not have.
        private sealed class Tail : Module<Tensor, Tensor>
        {
            [ComponentName(Name = "1")] private readonly Conv2d _conv;

            public Tail(int input, int output, Device? device)
                : base(nameof(Tail))
            {
                _conv = Conv2d(input, output, 3, stride: 2, padding: 1, device: device);
                RegisterComponents();
            }

            public override Tensor forward(Tensor x) => _conv.call(x);
        }
    }

    private sealed class UpStage : Module
    {
        [ComponentName(Name = "0")] private readonly ModuleList<AdaptiveBlock> _blocks;
        [ComponentName(Name = "1")] private readonly Head _head;

        public UpStage(Func<int, int, AdaptiveBlock> block, int input, int output, bool takesSkips, MapTransformer? attention, Device? device)
            : base(nameof(UpStage))
        {
            _blocks = ModuleList(Enumerable.Range(0, AuraSRConfig.BlocksPerStage).Select(_ => block(takesSkips ? 2 * output : output, output)).ToArray());
            _head = new Head(input, output, attention, device);
            RegisterComponents();
        }

        public IEnumerable<AdaptiveBlock> Blocks => _blocks;

        public Tensor Run(Tensor x, Queue<Tensor> pieces, Stack<Tensor> skips, double skipScale)
        {
            using var scope = NewDisposeScope();
            x = _head.Enlarge(x); // [B, output, 2H, 2W]
            foreach (var block in _blocks)
            {
                var own = x;
                if (skips.TryPop(out var skip))
                    x = cat([x, skip * skipScale], 1); // [B, 2·output, 2H, 2W]
                x = Ops.Next(own, block.Run(x, pieces)); // [B, output, 2H, 2W]
            }

            return _head.Attend(x).MoveToOuterDisposeScope();
        }

        private sealed class Head : Module
        {
            [ComponentName(Name = "0")] private readonly UpsampleConv _enlarge;
            [ComponentName(Name = "1")] private readonly MapTransformer? _attention;

            public Head(int input, int output, MapTransformer? attention, Device? device)
                : base(nameof(Head))
            {
                _enlarge = new UpsampleConv(input, output, device);
                _attention = attention;
                RegisterComponents();
            }

            public Tensor Enlarge(Tensor x) => _enlarge.call(x, 2 * x.shape[2], 2 * x.shape[3]);

            public Tensor Attend(Tensor x) => _attention is null ? x : _attention.call(x);
        }
    }
}
