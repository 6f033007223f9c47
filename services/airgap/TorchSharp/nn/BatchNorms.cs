using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>What normalisations over a batch or an instance have in common: scale and shift, and running statistics.</summary>
public abstract class NormBase : nn.Module<Tensor, Tensor>
{
    private protected NormBase(string name, long num_features, double eps, double? momentum, bool affine, bool track_running_stats, Device? device, ScalarType? dtype)
        : base(name)
    {
        NamesItsComponents();
        (this.num_features, this.eps, this.momentum, this.affine, this.track_running_stats) = (num_features, eps, momentum, affine, track_running_stats);
        if (affine)
        {
            register_parameter(nameof(weight), NewParameter(device, dtype, num_features));
            register_parameter(nameof(bias), NewParameter(device, dtype, num_features));
        }
        if (track_running_stats)
        {
            register_buffer(nameof(running_mean), empty(new[] { num_features }, dtype, device));
            register_buffer(nameof(running_var), empty(new[] { num_features }, dtype, device));
            register_buffer(nameof(num_batches_tracked), zeros(Array.Empty<long>(), ScalarType.Int64, device));
        }
        reset_parameters();
    }

    public long num_features { get; }

    public double eps { get; set; }

    /// <summary>The share of a new batch in the running statistics; null averages over all batches.</summary>
    public double? momentum { get; set; }

    public bool affine { get; }

    public bool track_running_stats { get; }

    public Parameter? weight
    {
        get => get_parameter(nameof(weight));
        set => ConditionallyRegisterParameter(nameof(weight), value);
    }

    public Parameter? bias
    {
        get => get_parameter(nameof(bias));
        set => ConditionallyRegisterParameter(nameof(bias), value);
    }

    public Tensor? running_mean
    {
        get => get_buffer(nameof(running_mean));
        set => ConditionallyRegisterBuffer(nameof(running_mean), value);
    }

    public Tensor? running_var
    {
        get => get_buffer(nameof(running_var));
        set => ConditionallyRegisterBuffer(nameof(running_var), value);
    }

    public Tensor? num_batches_tracked
    {
        get => get_buffer(nameof(num_batches_tracked));
        set => ConditionallyRegisterBuffer(nameof(num_batches_tracked), value);
    }

    public void reset_running_stats()
    {
        if (running_mean is { } mean) nn.init.zeros_(mean);
        if (running_var is { } variance) nn.init.ones_(variance);
        if (num_batches_tracked is { } count) nn.init.zeros_(count);
    }

    public void reset_parameters()
    {
        reset_running_stats();
        if (weight is { } scale) nn.init.ones_(scale);
        if (bias is { } shift) nn.init.zeros_(shift);
    }

    protected abstract void ValidateInputDimensions(Tensor input);

    /// <summary>Counts the batch, and tells the share of it in the running statistics.</summary>
    private protected double CountBatch()
    {
        if (!training || num_batches_tracked is not { } count) return momentum ?? 0;
        using var none = no_grad();
        Op.Run("add_.Scalar", count, 1L, 1L);
        return momentum ?? 1.0 / Op.Number("_local_scalar_dense", count).ToInt64();
    }
}

/// <summary>Normalises each channel over batch and space.</summary>
public abstract class BatchNorm : NormBase
{
    private protected BatchNorm(string name, long num_features, double eps, double momentum, bool affine, bool track_running_stats, Device? device, ScalarType? dtype)
        : base(name, num_features, eps, momentum, affine, track_running_stats, device, dtype)
    {
    }

    public override Tensor forward(Tensor input)
    {
        ValidateInputDimensions(input);
        return nn.functional.batch_norm(input, running_mean, running_var, weight, bias, training || !track_running_stats, CountBatch(), eps);
    }
}

/// <summary>[N, C] or [N, C, L].</summary>
public sealed class BatchNorm1d : BatchNorm
{
    internal BatchNorm1d(long num_features, double eps, double momentum, bool affine, bool track, Device? device, ScalarType? dtype)
        : base(nameof(BatchNorm1d), num_features, eps, momentum, affine, track, device, dtype)
    {
    }

    protected override void ValidateInputDimensions(Tensor input)
    {
        if (input.Dimensions is not (2 or 3)) throw new ArgumentException($"expected 2D or 3D input (got {input.Dimensions}D input)", nameof(input));
    }
}

/// <summary>[N, C, H, W].</summary>
public sealed class BatchNorm2d : BatchNorm
{
    internal BatchNorm2d(long num_features, double eps, double momentum, bool affine, bool track, Device? device, ScalarType? dtype)
        : base(nameof(BatchNorm2d), num_features, eps, momentum, affine, track, device, dtype)
    {
    }

    protected override void ValidateInputDimensions(Tensor input)
    {
        if (input.Dimensions != 4) throw new ArgumentException($"expected 4D input (got {input.Dimensions}D input)", nameof(input));
    }
}

/// <summary>Normalises each channel of every sample over space.</summary>
public abstract class InstanceNorm : NormBase
{
    private protected InstanceNorm(string name, long num_features, double eps, double? momentum, bool affine, bool track_running_stats, Device? device, ScalarType? dtype)
        : base(name, num_features, eps, momentum, affine, track_running_stats, device, dtype)
    {
    }

    public override Tensor forward(Tensor input)
    {
        ValidateInputDimensions(input);
        if (input.Dimensions != GetNumberOfBatchDimensions() - 1) return Normalised(input);
        using var batched = input.unsqueeze(0);
        using var result = Normalised(batched);
        return result.squeeze(0);
    }

    protected abstract long GetNumberOfBatchDimensions();

    private Tensor Normalised(Tensor input) =>
        nn.functional.instance_norm(input, running_mean, running_var, weight, bias, training || !track_running_stats, momentum ?? 0, eps);
}

/// <summary>[N, C, H, W] or [C, H, W].</summary>
public sealed class InstanceNorm2d : InstanceNorm
{
    internal InstanceNorm2d(long num_features, double eps, double momentum, bool affine, bool track, Device? device, ScalarType? dtype)
        : base(nameof(InstanceNorm2d), num_features, eps, momentum, affine, track, device, dtype)
    {
    }

    protected override long GetNumberOfBatchDimensions() => 4;

    protected override void ValidateInputDimensions(Tensor input)
    {
        if (input.Dimensions is not (3 or 4)) throw new ArgumentException($"expected 3D or 4D input (got {input.Dimensions}D input)", nameof(input));
    }
}
