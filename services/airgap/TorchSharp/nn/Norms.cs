using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>Normalises groups of channels of every sample to mean 0 and variance 1, then scales and shifts each channel: [N, C, ...].</summary>
public sealed class GroupNorm : nn.Module<Tensor, Tensor>, IFusible
{
    private Parameter? _weight;
    private Parameter? _bias;

    internal GroupNorm(long num_groups, long num_channels, double eps, bool affine, Device? device, ScalarType? dtype)
        : base(nameof(GroupNorm))
    {
        NamesItsComponents();
        if (num_groups <= 0 || num_channels % num_groups != 0) throw new ArgumentException($"{num_channels} channels cannot be divided into {num_groups} groups.");
        (this.num_groups, this.eps, this.affine) = (num_groups, eps, affine);
        if (!affine) return;
        register_parameter(nameof(weight), _weight = NewParameter(device, dtype, num_channels));
        register_parameter(nameof(bias), _bias = NewParameter(device, dtype, num_channels));
        nn.init.ones_(_weight);
        nn.init.zeros_(_bias);
    }

    public long num_groups { get; set; }

    public double eps { get; set; }

    public bool affine { get; set; }

    public Parameter? weight
    {
        get => _weight;
        set => ConditionallyRegisterParameter(nameof(weight), _weight = value);
    }

    public Parameter? bias
    {
        get => _bias;
        set => ConditionallyRegisterParameter(nameof(bias), _bias = value);
    }

    public override Tensor forward(Tensor tensor) => nn.functional.group_norm(tensor, num_groups, _weight, _bias, eps);

    Tensor? IFusible.Activated(Tensor input, Fused activation) =>
        activation == Fused.SiLU ? nn.functional.FastGroupNorm(input, num_groups, _weight, _bias, eps, true) : null;
}

/// <summary>Normalises the last dimensions to mean 0 and variance 1, then scales and shifts each element.</summary>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    private Parameter? _weight;
    private Parameter? _bias;

    internal LayerNorm(long[] normalized_shape, double eps, bool elementwise_affine, bool bias, Device? device, ScalarType? dtype)
        : base(nameof(LayerNorm))
    {
        NamesItsComponents();
        (this.normalized_shape, this.eps, this.elementwise_affine) = (normalized_shape, eps, elementwise_affine);
        if (!elementwise_affine) return;
        register_parameter(nameof(weight), _weight = NewParameter(device, dtype, normalized_shape));
        if (bias) register_parameter(nameof(bias), _bias = NewParameter(device, dtype, normalized_shape));
        reset_parameters();
    }

    public long[] normalized_shape { get; set; }

    public double eps { get; set; }

    public bool elementwise_affine { get; set; }

    public Parameter? weight
    {
        get => _weight;
        set => ConditionallyRegisterParameter(nameof(weight), _weight = value);
    }

    public Parameter? bias
    {
        get => _bias;
        set => ConditionallyRegisterParameter(nameof(bias), _bias = value);
    }

    public void reset_parameters()
    {
        if (_weight is not null) nn.init.ones_(_weight);
        if (_bias is not null) nn.init.zeros_(_bias);
    }

    public override Tensor forward(Tensor tensor) => nn.functional.layer_norm(tensor, normalized_shape, _weight, _bias, eps);
}
