using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Layers;

/// <summary>A 3x3 convolution of stride 2.</summary>
internal sealed class DownsampleConv : Module<Tensor, Tensor>
{
    private readonly bool _symmetric;
    [ComponentName(Name = "conv")] private readonly Conv2d _conv;

    /// <param name="channels">Channels in and out.</param>
    /// <param name="symmetric">Padding of 1 on all sides; else of 1 at the right and bottom only.</param>
    /// <param name="device">Where the weights are made.</param>
    public DownsampleConv(int channels, bool symmetric, Device? device)
        : base(nameof(DownsampleConv))
    {
        _symmetric = symmetric;
        _conv = symmetric
            ? Conv2d(channels, channels, 3, stride: 2, padding: 1, device: device)
            : Conv2d(channels, channels, 3, stride: 2, device: device);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        if (_symmetric)
            return _conv.call(x); // [B, C, ceil(H/2), ceil(W/2)]
        using var padded = F.pad(x, (0L, 1L, 0L, 1L));
        return _conv.call(padded); // [B, C, floor(H/2), floor(W/2)]
    }
}

/// <summary>Nearest-neighbour enlargement, then a 3x3 convolution.</summary>
internal sealed class UpsampleConv : Module<Tensor, long, long, Tensor>
{
    [ComponentName(Name = "conv")] private readonly Conv2d _conv;

    /// <param name="input">Channels in.</param>
    /// <param name="output">Channels out.</param>
    /// <param name="device">Where the weights are made.</param>
    public UpsampleConv(int input, int output, Device? device)
        : base(nameof(UpsampleConv))
    {
        _conv = Conv2d(input, output, 3, padding: 1, device: device);
        RegisterComponents();
    }

    /// <summary>Enlarges to a height and width, which is twice the input's except where an odd side was halved before.</summary>
    public override Tensor forward(Tensor x, long height, long width)
    {
        using var large = F.interpolate(x, size: [height, width], mode: InterpolationMode.Nearest); // [B, C, height, width]
        return _conv.call(large);
    }
}
