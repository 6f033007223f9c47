using System.Globalization;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor zeros(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("zeros", size, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, names);

    public static Tensor ones(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("ones", size, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, names);

    public static Tensor empty(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("empty.memory_format", size, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, names);

    public static Tensor empty_strided(
        long[] size, long[] strides, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("empty_strided", size, strides, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, names);

    /// <summary>All of one value; without a type, the value's own: Bool, Int64, the default floating-point type or complex.</summary>
    public static Tensor full(
        long[] size, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("full", size, value, dtype ?? Natural(value), Arg.None, device ?? _defaultDevice), requires_grad, names);

    public static Tensor zeros_like(
        Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("zeros_like", input, dtype, Arg.None, device), requires_grad, names);

    public static Tensor ones_like(
        Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("ones_like", input, dtype, Arg.None, device), requires_grad, names);

    public static Tensor empty_like(
        Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("empty_like", input, dtype, Arg.None, device), requires_grad, names);

    public static Tensor full_like(
        Tensor input, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("full_like", input, value, dtype, Arg.None, device), requires_grad, names);

    public static Tensor eye(
        long rows, long columns = -1, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finished(Op.Call("eye.m", rows, columns < 0 ? rows : columns, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, names);

    public static Tensor arange(Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(0, stop, 1, dtype, device, requires_grad);

    public static Tensor arange(Scalar start, Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(start, stop, 1, dtype, device, requires_grad);

    /// <summary>From start (in) to stop (out) by steps; Int64 where all three are whole numbers and no type is given.</summary>
    public static Tensor arange(
        Scalar start, Scalar stop, Scalar step, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
    {
        var whole = start.Type == ScalarType.Int64 && stop.Type == ScalarType.Int64 && step.Type == ScalarType.Int64;
        var type = dtype ?? (whole ? ScalarType.Int64 : _defaultType);
        return Finished(Op.Call("arange.start_step", start, stop, step, type, Arg.None, device ?? _defaultDevice), requires_grad, null);
    }

    public static Tensor linspace(
        double start, double end, long steps, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("linspace", start, end, steps, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, null);

    public static Tensor logspace(
        double start, double end, long steps, double @base = 10, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("logspace", start, end, steps, @base, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, null);

    public static Tensor complex(Tensor real, Tensor imag) => Op.Call("complex", real, imag);
    public static Tensor polar(Tensor abs, Tensor angle) => Op.Call("polar", abs, angle);

    public static Tensor tril_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Op.Call("tril_indices", row, col, offset, dtype, Arg.None, device ?? _defaultDevice);

    public static Tensor triu_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Op.Call("triu_indices", row, col, offset, dtype, Arg.None, device ?? _defaultDevice);

    public static Tensor hann_window(
        long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("hann_window.periodic", len, periodic, dtype, device, requires_grad);

    public static Tensor bartlett_window(
        long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("bartlett_window.periodic", len, periodic, dtype, device, requires_grad);

    public static Tensor blackman_window(
        long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("blackman_window.periodic", len, periodic, dtype, device, requires_grad);

    private static Tensor Window(string name, long len, bool periodic, ScalarType? dtype, Device? device, bool requiresGrad) =>
        Finished(Op.Call(name, len, periodic, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requiresGrad, null);

    private static ScalarType Natural(Scalar value) => value.Type switch
    {
        ScalarType.Float64 => _defaultType,
        ScalarType.ComplexFloat64 => _defaultType == ScalarType.Float64 ? ScalarType.ComplexFloat64 : ScalarType.ComplexFloat32,
        var type => type,
    };

    /// <summary>A new tensor as its maker wants it.</summary>
    private static Tensor Finished(Tensor tensor, bool requiresGrad, string[]? names)
    {
        if (names is { Length: > 0 }) throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture, $"named axes ({string.Join(", ", names)})"));
        if (requiresGrad) tensor.requires_grad = true;
        return tensor;
    }
}
