namespace TorchSharp;

public static partial class torch
{
    // Functions whose form differs from the tensor method's, or that have none.
    public static Tensor where(Tensor condition, Tensor x, Tensor y) => Op.Call("where.self", condition, x, y);

    /// <summary>The indices where the condition holds, one tensor an axis.</summary>
    public static Tensor[] where(Tensor condition) => Op.List("where", condition);

    public static Tensor softmax(Tensor input, int dim, ScalarType? dtype = null) => input.softmax(dim, dtype);
    public static Tensor norm(Tensor input) => input.norm();
    public static Tensor divide_(Tensor left, Scalar right) => left.divide_(right);
    public static Tensor multiply_(Tensor left, Tensor right) => left.mul_(right);
    public static Tensor multiply_(Tensor left, Scalar right) => left.mul_(right);
    public static Tensor negative_(Tensor input) => input.neg_();
    public static Tensor real(Tensor input) => input.real;
    public static Tensor imag(Tensor input) => input.imag;
    public static Tensor movedim(Tensor input, long source, long destination) => Op.Call("movedim.int", input, source, destination);
    public static Tensor moveaxis(Tensor input, long source, long destination) => Op.Call("moveaxis.int", input, source, destination);
    public static Tensor gather(Tensor input, long dim, Tensor index, bool sparse_grad = false) => Op.Call("gather", input, dim, index, sparse_grad);
    public static Tensor trapz(Tensor y, Tensor x, long dim = -1) => y.trapezoid(x, dim);
    public static Tensor trapz(Tensor y, double dx = 1, long dim = -1) => y.trapezoid(dx, dim);

    public static Tensor take_along_dim(Tensor input, Tensor indices, long dim = 0) => input.take_along_dim(indices, dim);
    public static Tensor take_along_dim(Tensor input, IEnumerable<long> indices, long dim = 0) => input.take_along_dim(indices, dim);

    public static Tensor index_reduce(Tensor input, long dim, Tensor index, Tensor source, Reduce reduce, bool include_self = true) =>
        Op.Call("index_reduce", input, dim, index, source, reduce.ToString(), include_self);

    public static Tensor searchsorted(Tensor sorted_sequence, Tensor values, bool out_int32 = false, bool right = false, Tensor? sorter = null) =>
        Op.Call("searchsorted.Tensor", sorted_sequence, values, out_int32, right, Arg.None, sorter);

    public static Tensor searchsorted(Tensor sorted_sequence, Scalar values, bool out_int32, bool right, Tensor sorter) =>
        Op.Call("searchsorted.Scalar", sorted_sequence, values, out_int32, right, Arg.None, sorter);

    /// <summary>The p-distances between every row of one batch and every row of the other.</summary>
    public static Tensor cdist(
        Tensor x1, Tensor x2, double p = 2, compute_mode compute_mode = compute_mode.use_mm_for_euclid_dist_if_necessary) =>
        Op.Call("cdist", x1, x2, p, (int)compute_mode);

    public static Tensor combinations(Tensor input, int r = 2, bool with_replacement = false) => Op.Call("combinations", input, r, with_replacement);
    public static (Tensor, Tensor) slogdet(Tensor A) => linalg.slogdet(A);
    public static Tensor cholesky(Tensor input) => linalg.cholesky(input);
    public static Tensor vander(Tensor x, long N = -1, bool increasing = false) => x.vander(N, increasing);
    public static bool allclose(Tensor tensor, Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) =>
        tensor.allclose(target, rtol, atol, equal_nan);

    public static long numel(Tensor input) => input.numel();
    public static bool is_nonzero(Tensor input) => input.is_nonzero();
    public static bool is_tensor(object obj) => obj is Tensor;
    public static Tensor clone(Tensor input) => input.clone();

    public static Tensor hamming_window(
        long len, bool periodic = true, float alpha = 0.54f, float beta = 0.46f, ScalarType? dtype = null, Device? device = null,
        bool requires_grad = false) =>
        Finished(
            Op.Call("hamming_window.periodic_alpha_beta", len, periodic, alpha, beta, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice),
            requires_grad,
            null);

    public static Tensor kaiser_window(
        long len, bool periodic = true, float beta = 12.0f, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finished(Op.Call("kaiser_window.beta", len, periodic, beta, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, null);

    public static double rand_float(Generator? generator = null)
    {
        using var number = rand([1], ScalarType.Float32, CPU, generator: generator);
        return number.item<float>();
    }

    public static double randn_float(Generator? generator = null)
    {
        using var number = randn([1], ScalarType.Float32, CPU, generator: generator);
        return number.item<float>();
    }

    public static int randint_int(int high, Generator? generator = null) => (int)randint_long(0, high, generator);
    public static int randint_int(int low, int high, Generator? generator = null) => (int)randint_long(low, high, generator);
    public static long randint_long(long high, Generator? generator = null) => randint_long(0, high, generator);

    public static long randint_long(long low, long high, Generator? generator = null)
    {
        using var number = randint(low, high, new long[] { 1 }, ScalarType.Int64, CPU, generator: generator);
        return number.item<long>();
    }

    public static bool randint_bool(Generator? generator = null) => randint_long(0, 2, generator) == 1;

    public static void _assert(bool condition, string message)
    {
        if (!condition) throw new Exception(message);
    }

    public static void _assert(Func<bool> condition, string message) => _assert(condition(), message);
}
