using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Networks;

/// <summary>The autoencoder between pixels and latents (diffusers' AutoencoderKL).</summary>
public sealed partial class AutoencoderKL : Module
{
    private const double NormEps = 1e-6;

    [ComponentName(Name = "encoder")] private readonly Encoder _encoder;
    [ComponentName(Name = "decoder")] private readonly Decoder _decoder;
    [ComponentName(Name = "quant_conv")] private readonly Conv2d? _quantConv;
    [ComponentName(Name = "post_quant_conv")] private readonly Conv2d? _postQuantConv;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public AutoencoderKL(AutoencoderKLConfig config, Device? device = null)
        : base(nameof(AutoencoderKL))
    {
        Config = config;
        _encoder = new Encoder(config, device);
        _decoder = new Decoder(config, device);
        _quantConv = config.UseQuantConv ? Conv2d(2 * config.LatentChannels, 2 * config.LatentChannels, 1, device: device) : null;
        _postQuantConv = config.UsePostQuantConv ? Conv2d(config.LatentChannels, config.LatentChannels, 1, device: device) : null;
        RegisterComponents();
    }

    /// <summary>What the network was built from.</summary>
    public AutoencoderKLConfig Config { get; }

    /// <summary>What the network computes in.</summary>
    public ScalarType Dtype => _decoder.Dtype;

    /// <summary>The distribution of a picture's latent, not yet scaled.</summary>
    /// <param name="picture">[B, 3, H, W] in [-1, 1]; sides are multiples of the factor.</param>
    /// <returns>[B, C, H/f, W/f] each.</returns>
    public DiagonalGaussian Encode(Tensor picture)
    {
        using var moments = Moments(picture);
        return new DiagonalGaussian(moments);
    }

    /// <summary>The picture of a latent that is not scaled: one that <see cref="Unscale"/> returned. About [-1, 1], not clamped.</summary>
    /// <param name="latent">[B, C, H, W].</param>
    /// <returns>[B, 3, H·f, W·f].</returns>
    public Tensor Decode(Tensor latent)
    {
        using var scope = NewDisposeScope();
        var z = latent.to(Dtype);
        if (_postQuantConv is not null)
            z = _postQuantConv.call(z);
        return _decoder.call(z).MoveToOuterDisposeScope();
    }

    /// <summary>A latent as U-Nets see it: (latent − shift) · factor.</summary>
    public Tensor Scale(Tensor latent)
    {
        if (Config.ShiftFactor == 0)
            return latent * Config.ScalingFactor;
        using var shifted = latent - Config.ShiftFactor;
        return shifted * Config.ScalingFactor;
    }

    /// <summary>The inverse of <see cref="Scale"/>: what the decoder takes.</summary>
    public Tensor Unscale(Tensor latent)
    {
        if (Config.ShiftFactor == 0)
            return latent / Config.ScalingFactor;
        using var divided = latent / Config.ScalingFactor;
        return divided + Config.ShiftFactor;
    }

    private Tensor Moments(Tensor picture)
    {
        using var scope = NewDisposeScope();
        var moments = _encoder.call(picture.to(Dtype)); // [B, 2C, H/f, W/f]
        return (_quantConv is null ? moments : _quantConv.call(moments)).MoveToOuterDisposeScope();
    }

    private sealed class Encoder : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv_in")] private readonly Conv2d _convIn;
        [ComponentName(Name = "down_blocks")] private readonly ModuleList<Level> _levels;
        [ComponentName(Name = "mid_block")] private readonly Middle _middle;
        [ComponentName(Name = "conv_norm_out")] private readonly GroupNorm _normOut;
        private readonly Func<Tensor, Tensor> _activated;
        [ComponentName(Name = "conv_out")] private readonly Conv2d _convOut;

        public Encoder(AutoencoderKLConfig config, Device? device)
            : base(nameof(Encoder))
        {
            var widths = config.BlockOutChannels;
            _convIn = Conv2d(config.InChannels, widths[0], 3, padding: 1, device: device);
            _levels = ModuleList(Enumerable.Range(0, widths.Length)
                .Select(i => new Level(config, widths[Math.Max(i - 1, 0)], widths[i], config.LayersPerBlock, i < widths.Length - 1, false, device)).ToArray());
            _middle = new Middle(config, device);
            _normOut = GroupNorm(config.NormNumGroups, widths[^1], NormEps, device: device);
            _activated = Ops.WithSiLU(_normOut);
            _convOut = Conv2d(widths[^1], 2 * config.LatentChannels, 3, padding: 1, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _convIn.call(x); // [B, w0, H, W]
            foreach (var level in _levels)
                h = Ops.Next(h, level.call(h)); // half the size each time but the last
            h = Ops.Next(h, _middle.call(h));
            h = Ops.Next(h, _activated(h));
            return _convOut.call(h).MoveToOuterDisposeScope(); // [B, 2C, H/f, W/f]
        }
    }

    private sealed class Decoder : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv_in")] private readonly Conv2d _convIn;
        [ComponentName(Name = "mid_block")] private readonly Middle _middle;
        [ComponentName(Name = "up_blocks")] private readonly ModuleList<Level> _levels;
        [ComponentName(Name = "conv_norm_out")] private readonly GroupNorm _normOut;
        private readonly Func<Tensor, Tensor> _activated;
        [ComponentName(Name = "conv_out")] private readonly Conv2d _convOut;

        public Decoder(AutoencoderKLConfig config, Device? device)
            : base(nameof(Decoder))
        {
            var widths = config.BlockOutChannels.Reverse().ToArray();
            _convIn = Conv2d(config.LatentChannels, widths[0], 3, padding: 1, device: device);
            _middle = new Middle(config, device);
            _levels = ModuleList(Enumerable.Range(0, widths.Length)
                .Select(i => new Level(config, widths[Math.Max(i - 1, 0)], widths[i], config.LayersPerBlock + 1, i < widths.Length - 1, true, device)).ToArray());
            _normOut = GroupNorm(config.NormNumGroups, widths[^1], NormEps, device: device);
            _activated = Ops.WithSiLU(_normOut);
            _convOut = Conv2d(widths[^1], config.OutChannels, 3, padding: 1, device: device);
            RegisterComponents();
        }

        public ScalarType Dtype => _convIn.weight!.dtype;

        public override Tensor forward(Tensor z)
        {
            using var scope = NewDisposeScope();
            var h = _convIn.call(z); // [B, w, H, W]
            h = Ops.Next(h, _middle.call(h));
            foreach (var level in _levels)
                h = Ops.Next(h, level.call(h)); // twice the size each time but the last
            h = Ops.Next(h, _activated(h));
            return _convOut.call(h).MoveToOuterDisposeScope(); // [B, 3, H·f, W·f]
        }
    }

    // Residual blocks, then a halving or a doubling.
    private sealed class Level : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "resnets")] private readonly ModuleList<ResnetBlock> _resnets;
        [ComponentName(Name = "downsamplers")] private readonly ModuleList<DownsampleConv>? _downsamplers;
        [ComponentName(Name = "upsamplers")] private readonly ModuleList<UpsampleConv>? _upsamplers;

        public Level(AutoencoderKLConfig config, int input, int output, int resnets, bool resamples, bool up, Device? device)
            : base(nameof(Level))
        {
            _resnets = ModuleList(Enumerable.Range(0, resnets)
                .Select(i => new ResnetBlock(i == 0 ? input : output, output, null, config.NormNumGroups, NormEps, device)).ToArray());
            _downsamplers = resamples && !up ? ModuleList(new DownsampleConv(output, symmetric: false, device)) : null;
            _upsamplers = resamples && up ? ModuleList(new UpsampleConv(output, output, device)) : null;
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _resnets[0].call(x, null); // [B, output, H, W]
            for (var i = 1; i < _resnets.Count; i++)
                h = Ops.Next(h, _resnets[i].call(h, null));
            if (_downsamplers is not null)
                h = Ops.Next(h, _downsamplers[0].call(h)); // [B, output, H/2, W/2]
            if (_upsamplers is not null)
                h = Ops.Next(h, _upsamplers[0].call(h, 2 * h.shape[2], 2 * h.shape[3])); // [B, output, 2H, 2W]
            return h.MoveToOuterDisposeScope();
        }
    }

    // Residual block, attention of one head over all positions, residual block.
    private sealed class Middle : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "attentions")] private readonly ModuleList<PositionAttention>? _attentions;
        [ComponentName(Name = "resnets")] private readonly ModuleList<ResnetBlock> _resnets;

        public Middle(AutoencoderKLConfig config, Device? device)
            : base(nameof(Middle))
        {
            var width = config.BlockOutChannels[^1];
            _attentions = config.MidBlockAttends ? ModuleList(new PositionAttention(width, config.NormNumGroups, device)) : null;
            _resnets = ModuleList(Enumerable.Range(0, 2).Select(_ => new ResnetBlock(width, width, null, config.NormNumGroups, NormEps, device)).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _resnets[0].call(x, null); // [B, C, H, W]
            if (_attentions is not null)
                h = Ops.Next(h, _attentions[0].call(h));
            return _resnets[1].call(h, null).MoveToOuterDisposeScope();
        }
    }

    private sealed class PositionAttention : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "group_norm")] private readonly GroupNorm _norm;
        [ComponentName(Name = "to_q")] private readonly Linear _query;
        [ComponentName(Name = "to_k")] private readonly Linear _key;
        [ComponentName(Name = "to_v")] private readonly Linear _value;
        [ComponentName(Name = "to_out")] private readonly ModuleList<Linear> _out;

        public PositionAttention(int channels, int groups, Device? device)
            : base(nameof(PositionAttention))
        {
            _norm = GroupNorm(groups, channels, NormEps, device: device);
            _query = Linear(channels, channels, device: device);
            _key = Linear(channels, channels, device: device);
            _value = Linear(channels, channels, device: device);
            _out = ModuleList(Linear(channels, channels, device: device));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var (batch, channels, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
            var tokens = _norm.call(x).permute(0, 2, 3, 1).reshape(batch, 1, height * width, channels); // [B, 1, HW, C]
            var mixed = functional.scaled_dot_product_attention(_query.call(tokens), _key.call(tokens), _value.call(tokens)); // [B, 1, HW, C]
            var h = _out[0].call(mixed).reshape(batch, height, width, channels).permute(0, 3, 1, 2); // [B, C, H, W]
            return (h + x).MoveToOuterDisposeScope();
        }
    }
}
