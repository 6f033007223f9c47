namespace TorchSharp;

public static partial class torch
{
    /// <summary>Uniform in [0, 1), from a generator of one's own or the shared one.</summary>
    public static Tensor rand(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        Finished(
            generator is null
                ? Op.Call("rand", size, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice)
                : Op.Call("rand.generator", size, generator, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice),
            requires_grad,
            names);

    /// <summary>Standard normal numbers.</summary>
    public static Tensor randn(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        Finished(
            generator is null
                ? Op.Call("randn", size, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice)
                : Op.Call("randn.generator", size, generator, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice),
            requires_grad,
            names);

    public static Tensor randint(
        long high, long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null,
        string[]? names = null) => randint(0, high, size, dtype, device, requires_grad, generator, names);

    /// <summary>Whole numbers in [low, high), Int64 by default.</summary>
    public static Tensor randint(
        long low, long high, long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null,
        string[]? names = null) =>
        Finished(
            Op.Call("randint.low_generator", low, high, size, generator, dtype ?? ScalarType.Int64, Arg.None, device ?? _defaultDevice),
            requires_grad,
            names);

    public static Tensor randperm(
        long n, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null) =>
        Finished(Op.Call("randperm.generator", n, generator, dtype ?? ScalarType.Int64, Arg.None, device ?? _defaultDevice), requires_grad, null);

    public static Tensor normal(
        double mean, double std, ReadOnlySpan<long> size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false,
        Generator? generator = null, string[]? names = null) =>
        Finished(
            Op.Call("normal.float_float", mean, std, size.ToArray(), generator, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice),
            requires_grad,
            names);

    public static Tensor normal(Tensor mean, Tensor std, Generator? generator = null) => Op.Call("normal.Tensor_Tensor", mean, std, generator);

    public static Tensor rand_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("rand_like", input, dtype, Arg.None, device), requires_grad, null);

    public static Tensor randn_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("randn_like", input, dtype, Arg.None, device), requires_grad, null);

    public static Tensor randint_like(
        Tensor input, long low, long high, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("randint_like.low_dtype", input, low, high, dtype, Arg.None, device), requires_grad, null);

    public static Tensor bernoulli(Tensor input, Generator? generator = null) => input.bernoulli(generator);
    public static Tensor binomial(Tensor count, Tensor probs, Generator? generator = null) => count.binomial(probs, generator);
    public static Tensor poisson(Tensor input, Generator? generator = null) => input.poisson(generator);

    public static Tensor multinomial(Tensor input, long num_samples, bool replacement = false, Generator? generator = null) =>
        input.multinomial(num_samples, replacement, generator);
}
