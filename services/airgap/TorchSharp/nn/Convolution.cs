using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>What convolutions of one to three dimensions have in common. Weights: [out, in / groups, k...]; transposed: [in, out / groups, k...].</summary>
public abstract class Convolution : nn.Module<Tensor, Tensor>
{
    private protected static readonly long[] NoPadding = [0];

    private long[] _stride;
    private long[] _dilation;
    private long _groups;
    private Parameter _weightParameter;
    private Parameter? _biasParameter;

    private protected Convolution(string name, ConvolutionShape shape, bool bias, PaddingModes padding_mode, Device? device, ScalarType? dtype)
        : base(name)
    {
        NamesItsComponents();
        shape.Check();
        (in_channels, out_channels, _groups, transposed) = (shape.In, shape.Out, shape.Groups, shape.OutputPadding is not null);
        (kernel_size, _stride, padding, _dilation) = (shape.Kernel, shape.Stride, shape.Padding, shape.Dilation);
        output_padding = shape.OutputPadding ?? new long[kernel_size.Length];
        padding_type = shape.Type;
        this.padding_mode = padding_mode;
        var (first, second) = transposed ? (in_channels, out_channels / groups) : (out_channels, in_channels / groups);
        _weightParameter = NewParameter(device, dtype, [first, second, .. kernel_size]);
        register_parameter(nameof(weight), _weightParameter);
        if (bias)
        {
            _biasParameter = NewParameter(device, dtype, out_channels);
            register_parameter(nameof(bias), _biasParameter);
        }
        Borders = padding_mode == PaddingModes.Zeros ? null : BordersOf(shape);
        reset_parameters();
    }

    public long in_channels { get; }

    public long out_channels { get; }

    public long[] kernel_size { get; set; }

    public long[] stride
    {
        get => _stride;
        set
        {
            _stride = value;
            DropCaches();
        }
    }

    public long[] padding { get; }

    public Padding? padding_type { get; }

    public long[] dilation
    {
        get => _dilation;
        set
        {
            _dilation = value;
            DropCaches();
        }
    }

    public bool transposed { get; }

    public long[] output_padding { get; set; }

    public long groups
    {
        get => _groups;
        set
        {
            _groups = value;
            DropCaches();
        }
    }

    public PaddingModes padding_mode { get; set; }

    public Parameter weight
    {
        get => _weightParameter;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _weightParameter = value;
            ConditionallyRegisterParameter(nameof(weight), value);
        }
    }

    public Parameter? bias
    {
        get => _biasParameter;
        set
        {
            _biasParameter = value;
            ConditionallyRegisterParameter(nameof(bias), value);
        }
    }

    /// <summary>What to pad by before the convolution, in the order that functional.pad takes, where the padding is not of zeros.</summary>
    private protected long[]? Borders { get; }

    /// <summary>Uniform between plus and minus one over the root of the number of inputs of an output, weights and biases alike.</summary>
    public void reset_parameters()
    {
        nn.init.kaiming_uniform_(_weightParameter, Math.Sqrt(5));
        if (_biasParameter is null) return;
        var (fanIn, _) = nn.init.CalculateFanInAndFanOut(_weightParameter);
        if (fanIn == 0) return;
        var bound = 1 / Math.Sqrt(fanIn);
        nn.init.uniform_(_biasParameter, -bound, bound);
    }

    private static long[] BordersOf(ConvolutionShape shape)
    {
        var borders = new List<long>();
        for (var d = shape.Kernel.Length - 1; d >= 0; d--)
        {
            if (shape.Type == TorchSharp.Padding.Same)
            {
                var total = shape.Dilation[d] * (shape.Kernel[d] - 1);
                borders.AddRange([total / 2, total - total / 2]);
            }
            else
            {
                borders.AddRange([shape.Padding[d], shape.Padding[d]]);
            }
        }
        return [.. borders];
    }
}

/// <summary>Channels and geometry of a convolution; OutputPadding is null unless it is transposed.</summary>
internal sealed record ConvolutionShape(long In, long Out, long[] Kernel, long[] Stride, long[] Padding, long[] Dilation, long Groups, Padding? Type = null, long[]? OutputPadding = null)
{
    internal void Check()
    {
        if (Groups <= 0) throw new ArgumentException("Groups must be positive.");
        if (In % Groups != 0) throw new ArgumentException($"{In} input channels cannot be divided into {Groups} groups.");
        if (Out % Groups != 0) throw new ArgumentException($"{Out} output channels cannot be divided into {Groups} groups.");
        if (Type == TorchSharp.Padding.Same && Stride.Any(s => s != 1)) throw new ArgumentException("Padding.Same goes with a stride of 1 only.");
    }
}
