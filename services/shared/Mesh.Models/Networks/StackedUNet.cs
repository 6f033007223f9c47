using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Networks;

/// <summary>How two U-Nets are stacked (InstaFlow-1.7B).</summary>
/// <param name="RemoveMiddleInOut">Whether the first net's output head and the second's input convolution are removed, so that a feature map passes between them.</param>
/// <param name="ShareWeights">Whether both halves are one net.</param>
public sealed record StackedUNetOptions(bool RemoveMiddleInOut, bool ShareWeights);

/// <summary>
/// Two U-Nets in series. Each embeds the same timestep for itself and attends to the same text; without the middle ends the first net's last
/// feature map takes the place of the second's input convolution, so it is the second's first skip too.
/// </summary>
/// <remarks>Names are those of a U-Net after <c>a.</c> and <c>b.</c>; with shared weights there is only <c>a.</c>, a whole net.</remarks>
public sealed class StackedUNet : Module<Tensor, Tensor, Tensor, UNetExtras?, Tensor>
{
    [ComponentName(Name = "a")] private readonly UNet _a;
    [ComponentName(Name = "b")] private readonly UNet? _b;

    /// <summary>A network with random weights.</summary>
    /// <param name="config">Configuration of both halves.</param>
    /// <param name="options">How they are joined.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public StackedUNet(UNetConfig config, StackedUNetOptions options, Device? device = null)
        : base(nameof(StackedUNet))
    {
        if (!options.RemoveMiddleInOut && config.InChannels != config.OutChannels)
            throw new ModelConfigException("configuration of StackedUNet: the second net cannot take what the first predicts");
        (Config, Options) = (config, options);
        var cut = options.RemoveMiddleInOut && !options.ShareWeights;
        _a = new UNet(config, device, cut ? UNetEnds.NoHead : UNetEnds.Both);
        _b = options.ShareWeights ? null : new UNet(config, device, cut ? UNetEnds.NoStem : UNetEnds.Both);
        RegisterComponents();
    }

    /// <summary>Configuration of both halves.</summary>
    public UNetConfig Config { get; }

    /// <summary>How the halves are joined.</summary>
    public StackedUNetOptions Options { get; }

    /// <summary>The feature map that passes from the first half to the second: [B, width, H, W].</summary>
    public Tensor Features(Tensor sample, Tensor timesteps, Tensor context, UNetExtras? extras = null)
    {
        using var scope = NewDisposeScope();
        var x = _a.Stem(sample.to(_a.Dtype));
        return _a.Body(x, timesteps, context, extras).MoveToOuterDisposeScope();
    }

    /// <inheritdoc cref="UNet.forward"/>
    public override Tensor forward(Tensor sample, Tensor timesteps, Tensor context, UNetExtras? extras)
    {
        using var scope = NewDisposeScope();
        var second = _b ?? _a;

        // 1. First net, without its head where the middle is removed.
        var x = Features(sample, timesteps, context, extras); // [B, width, H, W]

        // 2. Second net, without its input convolution then.
        if (!Options.RemoveMiddleInOut)
            x = second.Stem(_a.Head(x, extras));
        x = second.Body(x, timesteps, context, extras);
        return second.Head(x, extras).MoveToOuterDisposeScope(); // [B, out_channels, H, W]
    }
}
