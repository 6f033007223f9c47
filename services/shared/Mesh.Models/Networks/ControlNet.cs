using System.Text.Json;
using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Networks;

/// <summary>The knobs of a ControlNetModel.</summary>
public sealed record ControlNetConfig
{
    /// <summary>The half of a U-Net that it copies.</summary>
    public required UNetConfig Encoder { get; init; }

    /// <summary>Widths of the convolutions over the picture.</summary>
    public required int[] EmbeddingChannels { get; init; }

    /// <summary>Channels of the picture.</summary>
    public required int ConditioningChannels { get; init; }

    /// <summary>Whether the picture's channels are turned round.</summary>
    public required bool Bgr { get; init; }

    /// <summary>Whether residuals are averaged over all positions.</summary>
    public required bool GlobalPoolConditions { get; init; }

    /// <summary>Reads the <c>config.json</c> of a ControlNet.</summary>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static ControlNetConfig FromJson(JsonElement json)
    {
        var reader = new ConfigReader(json, "ControlNetModel");
        var encoder = UNetConfig.Read(reader, hasUpBlocks: false);
        var config = new ControlNetConfig
        {
            Encoder = encoder,
            EmbeddingChannels = reader.Ints("conditioning_embedding_out_channels", [16, 32, 96, 256]),
            ConditioningChannels = reader.Int("conditioning_channels", 3),
            Bgr = reader.Text("controlnet_conditioning_channel_order", "rgb") switch
            {
                "rgb" => false,
                "bgr" => true,
                var order => throw reader.Fault($"controlnet_conditioning_channel_order = {order}"),
            },
            GlobalPoolConditions = reader.Bool("global_pool_conditions", false),
        };
        if (config.EmbeddingChannels.Length == 0)
            throw reader.Fault("conditioning_embedding_out_channels is empty");
        reader.Done();
        return config;
    }
}

/// <summary>What a ControlNet adds to a U-Net.</summary>
/// <param name="Down">One residual for each skip.</param>
/// <param name="Mid">The residual for the mid block.</param>
public sealed record ControlNetResiduals(IReadOnlyList<Tensor> Down, Tensor Mid);

/// <summary>The way down of a U-Net that sees a picture as well and turns its skips into residuals (diffusers' ControlNetModel).</summary>
public sealed class ControlNet : Module
{
    private const double LeastGuess = 0.1;

    [ComponentName(Name = "conv_in")] private readonly Conv2d _convIn;
    [ComponentName(Name = "time_embedding")] private readonly TimestepEmbedding _timeEmbedding;
    [ComponentName(Name = "add_embedding")] private readonly TimestepEmbedding? _addEmbedding;
    [ComponentName(Name = "controlnet_cond_embedding")] private readonly PictureEmbedding _picture;
    [ComponentName(Name = "down_blocks")] private readonly ModuleList<DownBlock> _downBlocks;
    [ComponentName(Name = "mid_block")] private readonly MidBlock _midBlock;
    [ComponentName(Name = "controlnet_down_blocks")] private readonly ModuleList<Conv2d> _downOut;
    [ComponentName(Name = "controlnet_mid_block")] private readonly Conv2d _midOut;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public ControlNet(ControlNetConfig config, Device? device = null)
        : base(nameof(ControlNet))
    {
        Config = config;
        var encoder = config.Encoder;
        var last = encoder.BlockOutChannels[^1];
        _convIn = Conv2d(encoder.InChannels, encoder.BlockOutChannels[0], 3, padding: 1, device: device);
        (_timeEmbedding, _addEmbedding) = UNetParts.Embeddings(encoder, device);
        _picture = new PictureEmbedding(config.ConditioningChannels, config.EmbeddingChannels, encoder.BlockOutChannels[0], device);
        _downBlocks = UNetParts.DownBlocks(encoder, device);
        _midBlock = new MidBlock(encoder.Common(device), encoder.MidPlan());
        _downOut = ModuleList(encoder.SkipChannels().Select(c => Conv2d(c, c, 1, device: device)).ToArray());
        _midOut = Conv2d(last, last, 1, device: device);
        RegisterComponents();
    }

    /// <summary>What the network was built from.</summary>
    public ControlNetConfig Config { get; }

    /// <summary>What the network computes in.</summary>
    public ScalarType Dtype => _timeEmbedding.Dtype;

    /// <summary>The factors of guess mode: from 0.1 to 1, evenly spaced in the logarithm, the last one for the mid block.</summary>
    /// <param name="downResiduals">Number of residuals without the mid block's.</param>
    public static double[] GuessFactors(int downResiduals) =>
        [.. Enumerable.Range(0, downResiduals + 1).Select(k => Math.Pow(LeastGuess, 1.0 - ((double)k / downResiduals)))];

    /// <summary>The picture's features as they are added to the latent's.</summary>
    /// <param name="picture">[B, 3, 8H, 8W], RGB in [0, 1].</param>
    /// <returns>[B, width, H, W].</returns>
    public Tensor EmbedPicture(Tensor picture)
    {
        using var scope = NewDisposeScope();
        var image = picture.to(Dtype);
        return _picture.call(Config.Bgr ? image.flip(1) : image).MoveToOuterDisposeScope();
    }

    /// <summary>The residuals for one call of a U-Net with the same latent, timestep and text.</summary>
    /// <param name="sample">[B, in_channels, H, W].</param>
    /// <param name="timesteps">[], [1] or [B].</param>
    /// <param name="context">Text states.</param>
    /// <param name="picture">[B, 3, 8H, 8W], RGB in [0, 1].</param>
    /// <param name="scale">conditioning_scale.</param>
    /// <param name="guess">Whether early residuals are weakened (guess mode).</param>
    /// <param name="extras">What the U-Net is told besides; residuals in it are not looked at.</param>
    public ControlNetResiduals Residuals(
        Tensor sample, Tensor timesteps, Tensor context, Tensor picture, double scale, bool guess = false, UNetExtras? extras = null)
    {
        using var scope = NewDisposeScope();

        // 1. Time and text, as in the U-Net.
        var activated = UNetParts.Embed(Config.Encoder, _timeEmbedding, _addEmbedding, timesteps, extras);
        var text = context.to(Dtype);

        // 2. Latent and picture.
        var x = Ops.Add(_convIn.call(sample.to(Dtype)), EmbedPicture(picture)); // [B, width, H, W]

        // 3. Down and middle.
        List<Tensor> skips = [x];
        foreach (var block in _downBlocks)
            x = block.Run(x, activated, text, skips);
        x = _midBlock.call(x, activated, text);

        // 4. Residuals.
        var factors = guess && !Config.GlobalPoolConditions
            ? GuessFactors(skips.Count) : [.. Enumerable.Repeat(1.0, skips.Count + 1)];
        var down = skips.Select((skip, k) => Residual(_downOut[k], skip, factors[k] * scale)).ToArray();
        var mid = Residual(_midOut, x, factors[^1] * scale);
        return new ControlNetResiduals([.. down.Select(d => d.MoveToOuterDisposeScope())], mid.MoveToOuterDisposeScope());
    }

    private Tensor Residual(Conv2d projection, Tensor x, double factor)
    {
        var residual = projection.call(x) * factor;
        return Config.GlobalPoolConditions ? residual.mean([2, 3], keepdim: true) : residual;
    }

    // Convolutions that bring a picture down to the latent's size, SiLU after each but the last.
    private sealed class PictureEmbedding : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv_in")] private readonly Conv2d _convIn;
        [ComponentName(Name = "blocks")] private readonly ModuleList<Conv2d> _blocks;
        [ComponentName(Name = "conv_out")] private readonly Conv2d _convOut;

        public PictureEmbedding(int channels, int[] widths, int output, Device? device)
            : base(nameof(PictureEmbedding))
        {
            _convIn = Conv2d(channels, widths[0], 3, padding: 1, device: device);
            _blocks = ModuleList(widths.Zip(widths.Skip(1)).SelectMany(w => new[]
            {
                Conv2d(w.First, w.First, 3, padding: 1, device: device),
                Conv2d(w.First, w.Second, 3, stride: 2, padding: 1, device: device),
            }).ToArray());
            _convOut = Conv2d(widths[^1], output, 3, padding: 1, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor picture)
        {
            using var scope = NewDisposeScope();
            var x = Ops.SiLU(_convIn.call(picture)); // [B, c0, 8H, 8W]
            foreach (var block in _blocks)
                x = Ops.SiLU(Ops.Next(x, block.call(x))); // a half of the size each second time
            return _convOut.call(x).MoveToOuterDisposeScope(); // [B, width, H, W]
        }
    }
}
