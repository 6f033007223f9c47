using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Networks;

/// <summary>What a U-Net may be told besides latent, timestep and text.</summary>
public sealed record UNetExtras
{
    /// <summary>SDXL's pooled text, [B, P].</summary>
    public Tensor? Pooled { get; init; }

    /// <summary>SDXL's six sizes: original height and width, crop top and left, target height and width; [B, 6].</summary>
    public Tensor? TimeIds { get; init; }

    /// <summary>The guidance embedding of a network with time_cond_proj_dim, [B or 1, D]; see <see cref="Sinusoid.Guidance"/>.</summary>
    public Tensor? TimestepCond { get; init; }

    /// <summary>A ControlNet's residuals, one for each skip, or the sums of several ControlNets'.</summary>
    public IReadOnlyList<Tensor>? DownResiduals { get; init; }

    /// <summary>A ControlNet's residual for the mid block.</summary>
    public Tensor? MidResidual { get; init; }

    /// <summary>Told of each stage's output by its published module name. The tensor is not the receiver's to keep.</summary>
    public Action<string, Tensor>? OnStage { get; init; }
}

/// <summary>Which of its ends a U-Net has; a half of a stack lacks one.</summary>
public enum UNetEnds
{
    /// <summary>Input convolution and output head.</summary>
    Both,

    /// <summary>No output head: the result is the last block's feature map.</summary>
    NoHead,

    /// <summary>No input convolution: the input is a feature map, which is the first skip too.</summary>
    NoStem,
}

/// <summary>The conditional U-Net of Stable Diffusion 1.5, 2.x and XL (diffusers' UNet2DConditionModel).</summary>
public sealed class UNet : Module<Tensor, Tensor, Tensor, UNetExtras?, Tensor>
{
    [ComponentName(Name = "conv_in")] private readonly Conv2d? _convIn;
    [ComponentName(Name = "time_embedding")] private readonly TimestepEmbedding _timeEmbedding;
    [ComponentName(Name = "add_embedding")] private readonly TimestepEmbedding? _addEmbedding;
    [ComponentName(Name = "down_blocks")] private readonly ModuleList<DownBlock> _downBlocks;
    [ComponentName(Name = "mid_block")] private readonly MidBlock _midBlock;
    [ComponentName(Name = "up_blocks")] private readonly ModuleList<UpBlock> _upBlocks;
    [ComponentName(Name = "conv_norm_out")] private readonly GroupNorm? _normOut;
    [ComponentName(Name = "conv_out")] private readonly Conv2d? _convOut;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    /// <param name="ends">Which ends it has.</param>
    public UNet(UNetConfig config, Device? device = null, UNetEnds ends = UNetEnds.Both)
        : base(nameof(UNet))
    {
        Config = config;
        var widths = config.BlockOutChannels;
        _convIn = ends == UNetEnds.NoStem ? null : Conv2d(config.InChannels, widths[0], 3, padding: 1, device: device);
        (_timeEmbedding, _addEmbedding) = UNetParts.Embeddings(config, device);
        _downBlocks = UNetParts.DownBlocks(config, device);
        _midBlock = new MidBlock(config.Common(device), config.MidPlan());
        _upBlocks = UpBlocks(config, device);
        _normOut = ends == UNetEnds.NoHead ? null : GroupNorm(config.NormNumGroups, widths[0], config.NormEps, device: device);
        _convOut = ends == UNetEnds.NoHead ? null : Conv2d(widths[0], config.OutChannels, 3, padding: 1, device: device);
        RegisterComponents();
    }

    /// <summary>What the network was built from.</summary>
    public UNetConfig Config { get; }

    /// <summary>What the network computes in: the type of its weights.</summary>
    public ScalarType Dtype => _timeEmbedding.Dtype;

    /// <summary>The prediction for a latent.</summary>
    /// <param name="sample">[B, in_channels, H, W]; a feature map [B, width, H, W] for a network without stem.</param>
    /// <param name="timesteps">One for all images, or one each: [], [1] or [B]. May be fractional.</param>
    /// <param name="context">Text states, [B, L, cross_attention_dim].</param>
    /// <param name="extras">What else the network is told, or null.</param>
    /// <returns>[B, out_channels, H, W]; a feature map for a network without head.</returns>
    public override Tensor forward(Tensor sample, Tensor timesteps, Tensor context, UNetExtras? extras)
    {
        using var scope = NewDisposeScope();

        // 1. Input.
        var x = Stem(sample.to(Dtype));
        extras?.OnStage?.Invoke("conv_in", x);

        // 2. Body.
        x = Body(x, timesteps, context, extras);

        // 3. Output.
        return Head(x, extras).MoveToOuterDisposeScope();
    }

    /// <summary>The feature map of the latent: [B, in_channels, H, W] to [B, width, H, W].</summary>
    internal Tensor Stem(Tensor sample) => _convIn is null ? sample : _convIn.call(sample);

    /// <summary>The prediction from the last feature map.</summary>
    internal Tensor Head(Tensor x, UNetExtras? extras)
    {
        if (_normOut is null || _convOut is null)
            return x;
        using var scope = NewDisposeScope();
        var h = _normOut.call(x);
        extras?.OnStage?.Invoke("conv_norm_out", h);
        return _convOut.call(Ops.SiLU(h)).MoveToOuterDisposeScope(); // [B, out_channels, H, W]
    }

    /// <summary>From feature map to feature map: everything between input convolution and output head.</summary>
    internal Tensor Body(Tensor x, Tensor timesteps, Tensor context, UNetExtras? extras)
    {
        using var scope = NewDisposeScope();

        // 1. Time, and what else is embedded with it.
        var activated = UNetParts.Embed(Config, _timeEmbedding, _addEmbedding, timesteps, extras); // [B or 1, 4·width]
        var text = context.to(Dtype);

        // 2. Down.
        List<Tensor> skips = [x];
        for (var i = 0; i < _downBlocks.Count; i++)
        {
            x = _downBlocks[i].Run(x, activated, text, skips);
            extras?.OnStage?.Invoke($"down_blocks.{i}", x);
        }

        // 3. Middle.
        x = _midBlock.call(x, activated, text);
        extras?.OnStage?.Invoke("mid_block", x);
        x = AddResiduals(x, skips, extras);

        // 4. Up.
        for (var i = 0; i < _upBlocks.Count; i++)
        {
            x = _upBlocks[i].Run(x, activated, text, skips);
            extras?.OnStage?.Invoke($"up_blocks.{i}", x);
        }

        return x.MoveToOuterDisposeScope();
    }

    private static Tensor AddResiduals(Tensor x, List<Tensor> skips, UNetExtras? extras)
    {
        if (extras?.DownResiduals is { } residuals)
        {
            if (residuals.Count != skips.Count)
                throw new ArgumentException($"{residuals.Count} residuals for {skips.Count} skips", nameof(extras));
            for (var k = 0; k < skips.Count; k++)
                skips[k] = skips[k] + residuals[k].to(x.dtype);
        }

        return extras?.MidResidual is { } mid ? x + mid.to(x.dtype) : x;
    }

    private static ModuleList<UpBlock> UpBlocks(UNetConfig config, Device? device)
    {
        var common = config.Common(device);
        var skips = config.SkipChannels();
        var blocks = new List<UpBlock>();
        var input = config.BlockOutChannels[^1];
        for (var i = 0; i < config.BlockOutChannels.Length; i++)
        {
            var plan = config.UpPlan(i);
            var taken = skips[^plan.Resnets..];
            taken.Reverse();
            skips.RemoveRange(skips.Count - plan.Resnets, plan.Resnets);
            blocks.Add(new UpBlock(common, plan, input, taken, doubles: i < config.BlockOutChannels.Length - 1));
            input = plan.Channels;
        }

        return ModuleList(blocks.ToArray());
    }
}

/// <summary>What a U-Net and a ControlNet have in common.</summary>
internal static class UNetParts
{
    public static (TimestepEmbedding Time, TimestepEmbedding? Added) Embeddings(UNetConfig config, Device? device) =>
        (new TimestepEmbedding(config.BlockOutChannels[0], config.TimeEmbedding, config.TimeCondProjDim, device),
            config.ProjectionInputDim is { } width ? new TimestepEmbedding(width, config.TimeEmbedding, null, device) : null);

    public static ModuleList<DownBlock> DownBlocks(UNetConfig config, Device? device)
    {
        var common = config.Common(device);
        var widths = config.BlockOutChannels;
        return ModuleList(Enumerable.Range(0, widths.Length)
            .Select(i => new DownBlock(common, config.DownPlan(i), widths[Math.Max(i - 1, 0)], halves: i < widths.Length - 1)).ToArray());
    }

    /// <summary>SiLU of the time embedding with everything that is added to it: [B or 1, 4·width].</summary>
    public static Tensor Embed(UNetConfig config, TimestepEmbedding time, TimestepEmbedding? added, Tensor timesteps, UNetExtras? extras)
    {
        using var scope = NewDisposeScope();
        var device = time.parameters().First().device;

        // 1. Time.
        var wave = Sinusoid.Embed(timesteps, config.BlockOutChannels[0], config.FlipSinToCos, config.FreqShift).to(device);
        extras?.OnStage?.Invoke("time_proj", wave);
        var embedding = time.call(wave.to(time.Dtype), extras?.TimestepCond?.to(time.Dtype));
        extras?.OnStage?.Invoke("time_embedding", embedding);

        // 2. Pooled text and sizes.
        if (added is not null)
        {
            var pooled = extras?.Pooled ?? throw new ArgumentException("the network needs pooled text", nameof(extras));
            var ids = extras.TimeIds ?? throw new ArgumentException("the network needs sizes", nameof(extras));
            var sizes = Sinusoid.Embed(ids, config.AdditionTimeEmbedDim!.Value, config.FlipSinToCos, config.FreqShift); // [6·B, D]
            extras.OnStage?.Invoke("add_time_proj", sizes);
            var joined = cat([pooled.to(time.Dtype), sizes.reshape(ids.shape[0], -1).to(device).to(time.Dtype)], -1); // [B, P + 6·D]
            var addition = added.call(joined, null);
            extras.OnStage?.Invoke("add_embedding", addition);
            embedding = embedding + addition;
        }

        return nn.functional.silu(embedding).MoveToOuterDisposeScope();
    }
}
