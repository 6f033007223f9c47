using System.Text.Json;
using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Networks;

/// <summary>The knobs of an AutoencoderTiny (TAESD), as its <c>config.json</c> states them.</summary>
public sealed record AutoencoderTinyConfig
{
    /// <summary>Channels of the picture that is encoded.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of the picture that is decoded.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Channels of the latent.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Width of each level of the encoder.</summary>
    public required int[] EncoderChannels { get; init; }

    /// <summary>Blocks of each level of the encoder.</summary>
    public required int[] EncoderBlocks { get; init; }

    /// <summary>Width of each level of the decoder, from the latent.</summary>
    public required int[] DecoderChannels { get; init; }

    /// <summary>Blocks of each level of the decoder.</summary>
    public required int[] DecoderBlocks { get; init; }

    /// <summary>Half of the range of latents that a stored preview keeps.</summary>
    public required double LatentMagnitude { get; init; }

    /// <summary>Where zero lies in a stored preview.</summary>
    public required double LatentShift { get; init; }

    /// <summary>What latents are multiplied by where a U-Net sees them; 1 for the published files.</summary>
    public required double ScalingFactor { get; init; }

    /// <summary>Pixels a latent's side.</summary>
    public int Factor => 1 << (DecoderBlocks.Length - 1);

    /// <summary>Reads the <c>config.json</c> of an AutoencoderTiny.</summary>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static AutoencoderTinyConfig FromJson(JsonElement json)
    {
        var reader = new ConfigReader(json, "AutoencoderTiny");
        reader.Only("act_fn", "\"relu\"");
        reader.Only("upsampling_scaling_factor", "2");
        reader.Only("upsample_fn", "\"nearest\"");
        reader.Only("shift_factor", "0");
        reader.Ignore("force_upcast", "block_out_channels");
        var config = new AutoencoderTinyConfig
        {
            InChannels = reader.Int("in_channels", 3),
            OutChannels = reader.Int("out_channels", 3),
            LatentChannels = reader.Int("latent_channels", 4),
            EncoderChannels = reader.Ints("encoder_block_out_channels", [64, 64, 64, 64]),
            EncoderBlocks = reader.Ints("num_encoder_blocks", [1, 3, 3, 3]),
            DecoderChannels = reader.Ints("decoder_block_out_channels", [64, 64, 64, 64]),
            DecoderBlocks = reader.Ints("num_decoder_blocks", [3, 3, 3, 1]),
            LatentMagnitude = reader.Double("latent_magnitude", 3),
            LatentShift = reader.Double("latent_shift", 0.5),
            ScalingFactor = reader.Double("scaling_factor", 1),
        };
        var same = config.EncoderChannels.Concat(config.DecoderChannels).Distinct().Count() == 1;
        if (!same || config.EncoderBlocks.Length != config.EncoderChannels.Length || config.DecoderBlocks.Length != config.DecoderChannels.Length
            || config.EncoderBlocks.Length != config.DecoderBlocks.Length || config.EncoderBlocks.Length == 0)
            throw reader.Fault("levels of different widths, or lists of different lengths, are not built here");
        reader.Done();
        return config;
    }
}

/// <summary>A small autoencoder for previews (diffusers' AutoencoderTiny, TAESD). Its latents are the scaled ones, as a U-Net makes them.</summary>
public sealed class AutoencoderTiny : Module
{
    private const double Saturation = 3;
    private const double TileOverlap = 0.125;
    private const int TileLatents = 64;

    [ComponentName(Name = "encoder")] private readonly Chain _encoder;
    [ComponentName(Name = "decoder")] private readonly Chain _decoder;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public AutoencoderTiny(AutoencoderTinyConfig config, Device? device = null)
        : base(nameof(AutoencoderTiny))
    {
        Config = config;
        _encoder = new Chain(EncoderLayers(config, device));
        _decoder = new Chain(DecoderLayers(config, device));
        RegisterComponents();
    }

    /// <summary>What the network was built from.</summary>
    public AutoencoderTinyConfig Config { get; }

    /// <summary>What the network computes in.</summary>
    public ScalarType Dtype => _decoder.parameters().First().dtype;

    /// <summary>The tiles that the reference uses.</summary>
    public TileOptions Tiles => new(TileLatents * Config.Factor, TileLatents, TileOverlap);

    /// <summary>The latent of a picture.</summary>
    /// <param name="picture">[B, 3, H, W] in [-1, 1].</param>
    /// <returns>[B, C, H/f, W/f].</returns>
    public Tensor Encode(Tensor picture)
    {
        using var scope = NewDisposeScope();
        return _encoder.call((picture.to(Dtype) + 1) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>The picture of a latent, about [-1, 1], not clamped.</summary>
    /// <param name="latent">[B, C, H, W].</param>
    /// <returns>[B, 3, H·f, W·f].</returns>
    public Tensor Decode(Tensor latent)
    {
        using var scope = NewDisposeScope();
        var z = (latent.to(Dtype) / Saturation).tanh() * Saturation;
        return ((_decoder.call(z) * 2) - 1).MoveToOuterDisposeScope();
    }

    /// <summary>A latent as a preview in [0, 1], ready to be stored as bytes.</summary>
    public Tensor Store(Tensor latent)
    {
        using var scope = NewDisposeScope();
        return ((latent / (2 * Config.LatentMagnitude)) + Config.LatentShift).clamp(0, 1).MoveToOuterDisposeScope();
    }

    /// <summary>The latent of a stored preview; what was clamped is lost.</summary>
    public Tensor Restore(Tensor stored)
    {
        using var scope = NewDisposeScope();
        return ((stored - Config.LatentShift) * (2 * Config.LatentMagnitude)).MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Decode"/>, by overlapping tiles written one over the other.</summary>
    /// <param name="latent">[B, C, H, W].</param>
    /// <param name="tiles">How to cut; null for the reference's tiles.</param>
    public Tensor DecodeTiled(Tensor latent, TileOptions? tiles = null)
    {
        var t = tiles ?? Tiles;
        var blend = (int)(t.LatentSide * t.Overlap);
        return Tile(latent, t.LatentSide, blend, size => size * Config.Factor, Config.OutChannels, Decode);
    }

    /// <summary>As <see cref="Encode"/>, by overlapping tiles written one over the other.</summary>
    /// <param name="picture">[B, 3, H, W] in [-1, 1].</param>
    /// <param name="tiles">How to cut; null for the reference's tiles.</param>
    public Tensor EncodeTiled(Tensor picture, TileOptions? tiles = null)
    {
        var t = tiles ?? Tiles;
        var blend = (int)(t.SampleSide * t.Overlap);
        return Tile(picture, t.SampleSide, blend, size => size / Config.Factor, Config.LatentChannels, Encode);
    }

    private Tensor Tile(Tensor input, int side, int blend, Func<long, long> scaled, int channels, Func<Tensor, Tensor> run)
    {
        using var scope = NewDisposeScope();
        var result = zeros([input.shape[0], channels, scaled(input.shape[2]), scaled(input.shape[3])], Dtype, input.device);
        var ramp = (arange(scaled(side), ScalarType.Float32, input.device) / (scaled(blend) - 1)).clamp(0, 1).to(Dtype);
        for (var top = 0L; top < input.shape[2]; top += side - blend)
        {
            for (var left = 0L; left < input.shape[3]; left += side - blend)
            {
                using var inner = NewDisposeScope();
                var height = Math.Min(side, input.shape[2] - top);
                var width = Math.Min(side, input.shape[3] - left);
                var tile = run(input.narrow(2, top, height).narrow(3, left, width));
                var target = result.narrow(2, scaled(top), tile.shape[2]).narrow(3, scaled(left), tile.shape[3]);
                var down = top == 0 ? ones_like(ramp) : ramp;
                var across = left == 0 ? ones_like(ramp) : ramp;
                var weight = down.narrow(0, 0, tile.shape[2]).unsqueeze(1) * across.narrow(0, 0, tile.shape[3]);
                target.copy_((weight * tile) + ((1 - weight) * target));
            }
        }

        return result.MoveToOuterDisposeScope();
    }

    private static List<Module<Tensor, Tensor>> EncoderLayers(AutoencoderTinyConfig config, Device? device)
    {
        var layers = new List<Module<Tensor, Tensor>>();
        for (var i = 0; i < config.EncoderBlocks.Length; i++)
        {
            var width = config.EncoderChannels[i];
            layers.Add(i == 0
                ? Conv2d(config.InChannels, width, 3, padding: 1, device: device)
                : Conv2d(width, width, 3, stride: 2, padding: 1, bias: false, device: device));
            layers.AddRange(Enumerable.Range(0, config.EncoderBlocks[i]).Select(_ => new TinyBlock(width, device)));
        }

        layers.Add(Conv2d(config.EncoderChannels[^1], config.LatentChannels, 3, padding: 1, device: device));
        return layers;
    }

    private static List<Module<Tensor, Tensor>> DecoderLayers(AutoencoderTinyConfig config, Device? device)
    {
        List<Module<Tensor, Tensor>> layers =
            [Conv2d(config.LatentChannels, config.DecoderChannels[0], 3, padding: 1, device: device), ReLU()];
        for (var i = 0; i < config.DecoderBlocks.Length; i++)
        {
            var width = config.DecoderChannels[i];
            layers.AddRange(Enumerable.Range(0, config.DecoderBlocks[i]).Select(_ => new TinyBlock(width, device)));
            if (i == config.DecoderBlocks.Length - 1)
            {
                layers.Add(Conv2d(width, config.OutChannels, 3, padding: 1, device: device));
                break;
            }

            layers.Add(new Doubling());
            layers.Add(Conv2d(width, width, 3, padding: 1, bias: false, device: device));
        }

        return layers;
    }

    // Layers one after the other, named layers.0, layers.1, …
    private sealed class Chain : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "layers")] private readonly ModuleList<Module<Tensor, Tensor>> _layers;

        public Chain(IEnumerable<Module<Tensor, Tensor>> layers)
            : base(nameof(Chain))
        {
            _layers = ModuleList(layers.ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _layers[0].call(x);
            for (var i = 1; i < _layers.Count; i++)
                h = Ops.Next(h, _layers[i].call(h));
            return h.MoveToOuterDisposeScope();
        }
    }

    private sealed class Doubling : Module<Tensor, Tensor>
    {
        public Doubling()
            : base(nameof(Doubling)) => RegisterComponents();

        public override Tensor forward(Tensor x) =>
            F.interpolate(x, size: [2 * x.shape[2], 2 * x.shape[3]], mode: InterpolationMode.Nearest); // [B, C, 2H, 2W]
    }

    // Three convolutions with ReLU between them, plus the input, then ReLU.
    private sealed class TinyBlock : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv")] private readonly ModuleList<Module<Tensor, Tensor>> _conv;

        public TinyBlock(int width, Device? device)
            : base(nameof(TinyBlock))
        {
            Module<Tensor, Tensor> Conv() => Conv2d(width, width, 3, padding: 1, device: device);
            _conv = ModuleList(Conv(), ReLU(), Conv(), ReLU(), Conv());
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _conv[0].call(x); // [B, width, H, W]
            for (var i = 1; i < _conv.Count; i++)
                h = Ops.Next(h, _conv[i].call(h));
            return F.relu(h + x).MoveToOuterDisposeScope();
        }
    }
}
