using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>[N, C, L] convolved with a kernel of one dimension.</summary>
public sealed class Conv1d : Convolution
{
    internal Conv1d(ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(nameof(Conv1d), shape, bias, mode, device, dtype)
    {
    }

    public override Tensor forward(Tensor input)
    {
        if (Borders is not null)
        {
            using var padded = nn.functional.pad(input, Borders, padding_mode);
            return Op.Call("conv1d", padded, weight, bias, stride, NoPadding, dilation, groups);
        }
        return padding_type is { } type
            ? Op.Call("conv1d.padding", input, weight, bias, stride, nn.functional.Name(type), dilation, groups)
            : Op.Call("conv1d", input, weight, bias, stride, padding, dilation, groups);
    }
}

/// <summary>[N, C, H, W] convolved with a kernel of two dimensions.</summary>
public sealed class Conv2d : Convolution, IFusible
{
    // From this many channels on, results lie channels-last: the next layer wants them so, and pictures (3 or 4 channels) are planes again.
    private const long ManyChannels = 16;

    private readonly Frozen _frozen = new();
    private readonly Frozen.Maker _maker;

    internal Conv2d(ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(nameof(Conv2d), shape, bias, mode, device, dtype)
    {
        _maker = Make;
    }

    public override Tensor forward(Tensor input)
    {
        if (Frozen(input, Fused.None) is { } result) return result;
        if (Borders is not null)
        {
            using var padded = nn.functional.pad(input, Borders, padding_mode);
            return Op.Call("conv2d", padded, weight, bias, stride, NoPadding, dilation, groups);
        }
        return padding_type is { } type
            ? Op.Call("conv2d.padding", input, weight, bias, stride, nn.functional.Name(type), dilation, groups)
            : Op.Call("conv2d", input, weight, bias, stride, padding, dilation, groups);
    }

    Tensor? IFusible.Activated(Tensor input, Fused activation) => Frozen(input, activation);

    internal override void DropCaches() => _frozen.Drop();

    private Tensor? Frozen(Tensor input, Fused activation)
    {
        if (Borders is not null || padding_type is not null) return null;
        return _frozen.Of(weight, bias, _maker) is { } layer
            ? Tensor.Wrap(Native.mesh_convolution_run(layer, input.Handle, out_channels >= ManyChannels ? 1 : 0, (int)activation))
            : null;
    }

    private unsafe nint Make(nint weight, nint bias)
    {
        var geometry = stackalloc long[] { stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1] };
        return Native.mesh_convolution_new(weight, bias, geometry, groups);
    }
}

/// <summary>[N, C, D, H, W] convolved with a kernel of three dimensions.</summary>
public sealed class Conv3d : Convolution
{
    internal Conv3d(ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(nameof(Conv3d), shape, bias, mode, device, dtype)
    {
    }

    public override Tensor forward(Tensor input)
    {
        if (Borders is not null)
        {
            using var padded = nn.functional.pad(input, Borders, padding_mode);
            return Op.Call("conv3d", padded, weight, bias, stride, NoPadding, dilation, groups);
        }
        return padding_type is { } type
            ? Op.Call("conv3d.padding", input, weight, bias, stride, nn.functional.Name(type), dilation, groups)
            : Op.Call("conv3d", input, weight, bias, stride, padding, dilation, groups);
    }
}

/// <summary>The transpose of a convolution: the gradient of one with respect to its input.</summary>
public abstract class ConvolutionTranspose : Convolution
{
    private protected ConvolutionTranspose(string name, ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(name, shape, bias, mode, device, dtype)
    {
        if (mode != PaddingModes.Zeros) throw new ArgumentException("A transposed convolution pads with zeros only.", nameof(mode));
    }

    public override Tensor forward(Tensor input) => Transposed(input, output_padding);

    /// <summary>As forward, with the wanted size of the output's spatial dimensions, among those that the stride leaves open.</summary>
    public abstract Tensor forward(Tensor input, long[]? output_size);

    private protected Tensor ToSize(Tensor input, long[]? outputSize)
    {
        if (outputSize is null) return forward(input);
        var spatial = kernel_size.Length;
        if (outputSize.Length == spatial + 2) outputSize = outputSize[2..];
        if (outputSize.Length != spatial) throw new ArgumentException($"An output size has {spatial} or {spatial + 2} elements.", nameof(outputSize));
        var extra = new long[spatial];
        for (var d = 0; d < spatial; d++)
        {
            var least = (input.shape[d + input.shape.Length - spatial] - 1) * stride[d] - 2 * padding[d] + dilation[d] * (kernel_size[d] - 1) + 1;
            extra[d] = outputSize[d] - least;
            if (extra[d] < 0 || extra[d] >= stride[d])
                throw new ArgumentException($"Dimension {d} of the output can be {least} to {least + stride[d] - 1}, not {outputSize[d]}.", nameof(outputSize));
        }
        return Transposed(input, extra);
    }

    private Tensor Transposed(Tensor input, long[] outputPadding) => kernel_size.Length switch
    {
        1 => Op.Call("conv_transpose1d", input, weight, bias, stride, padding, outputPadding, groups, dilation),
        2 => Op.Call("conv_transpose2d.input", input, weight, bias, stride, padding, outputPadding, groups, dilation),
        _ => Op.Call("conv_transpose3d.input", input, weight, bias, stride, padding, outputPadding, groups, dilation),
    };
}

/// <summary>[N, C, L], transposed.</summary>
public sealed class ConvTranspose1d : ConvolutionTranspose
{
    internal ConvTranspose1d(ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(nameof(ConvTranspose1d), shape, bias, mode, device, dtype)
    {
    }

    public override Tensor forward(Tensor input, long[]? output_size) => ToSize(input, output_size);
}

/// <summary>[N, C, H, W], transposed.</summary>
public sealed class ConvTranspose2d : ConvolutionTranspose
{
    internal ConvTranspose2d(ConvolutionShape shape, bool bias, PaddingModes mode, Device? device, ScalarType? dtype)
        : base(nameof(ConvTranspose2d), shape, bias, mode, device, dtype)
    {
    }

    public override Tensor forward(Tensor input, long[]? output_size) => ToSize(input, output_size);
}
