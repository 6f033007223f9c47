namespace TorchSharp;

public static partial class torch
{
    // Operators whose public form differs from the dispatcher's.
    public partial class Tensor
    {
        public Tensor T => Op.Call("numpy_T", this);
        public Tensor H => Op.Call("matrix_H", this);
        public Tensor mT => Op.Call("mT", this);
        public Tensor mH => Op.Call("mH", this);
        public Tensor real => is_complex() ? Op.Call("real", this) : alias();
        public Tensor imag => Op.Call("imag", this);

        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => Op.Call("div.Tensor_mode", this, target, Name(rounding_mode));
        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => Op.Call("div.Scalar_mode", this, target, Name(rounding_mode));
        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => Op.InPlace("div_.Tensor_mode", this, target, Name(rounding_mode));
        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => Op.InPlace("div_.Scalar_mode", this, target, Name(rounding_mode));
        public Tensor divide(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);
        public Tensor divide_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);

        public Tensor round(long decimals = 0) => decimals == 0 ? Op.Call("round", this) : Op.Call("round.decimals", this, decimals);
        public Tensor round_(long decimals = 0) => decimals == 0 ? Op.InPlace("round_", this) : Op.InPlace("round_.decimals", this, decimals);
        public Tensor arctan(Tensor other) => atan2(other);
        public Tensor arctan_(Tensor other) => atan2_(other);
        public Tensor polygamma(long p) => Op.Call("polygamma", p, this);
        public Tensor polygamma_(long p) => Op.InPlace("polygamma_", this, p);
        public Tensor equal(Tensor target) => eq(target);
        public Tensor vander(long N = -1, bool increasing = false) => Op.Call("vander", this, Given(N), increasing);

        /// <summary>This tensor where the condition holds, else <paramref name="y"/>.</summary>
        public Tensor where(Tensor condition, Tensor y) => Op.Call("where.self", condition, this, y);

        public Tensor squeeze(long? dim = null) => dim is { } axis ? Op.Call("squeeze.dim", this, axis) : Op.Call("squeeze", this);
        public Tensor squeeze_(long? dim = null) => dim is { } axis ? Op.InPlace("squeeze_.dim", this, axis) : Op.InPlace("squeeze_", this);
        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) => expand(sizes.ToArray(), isImplicit);
        public Tensor expand(Size sizes, bool isImplicit = false) => expand(sizes.Shape, isImplicit);
        public Tensor permute(IEnumerable<long> permutation) => permute(permutation.ToArray());
        public Tensor unflatten(long dim, Size sizes) => unflatten(dim, sizes.Shape);
        public Tensor slice_scatter(Tensor src, long dim = 0, long? start = null, long? end = null, long step = 1) =>
            Op.Call("slice_scatter", this, src, dim, start, end, step);
        public Tensor roll(long shifts, long? dims = null) => Op.Call("roll", this, new[] { shifts }, dims is { } axis ? new[] { axis } : Array.Empty<long>());
        public Tensor roll((long, long) shifts, (long, long) dims) => roll(Axes(shifts), Axes(dims));
        public Tensor roll((long, long, long) shifts, (long, long, long) dims) => roll(Axes(shifts), Axes(dims));
        public Tensor roll(ReadOnlySpan<long> shifts, ReadOnlySpan<long> dims = default) => roll(shifts.ToArray(), dims.ToArray());
        public Tensor rot90(long k = 1, (long, long)? dims = null) => Op.Call("rot90", this, k, Axes(dims ?? (0, 1)));
        public Tensor take_along_dim(IEnumerable<long> indices, long dim)
        {
            using var wanted = torch.tensor(indices.ToArray(), device: device);
            return take_along_dim(wanted, dim);
        }

        public Tensor[] split(params long[] sizes) => split(sizes, 0);
        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) => split(sizes.ToArray(), dim);

        /// <summary>The indices of the elements that are not zero, one tensor an axis.</summary>
        public IList<Tensor> nonzero_as_list() => Op.List("nonzero_numpy", this);

        public Tensor tensordot(Tensor b, long dims = 2)
        {
            var rank = dim();
            var own = Enumerable.Range(0, (int)dims).Select(i => rank - dims + i).ToArray();
            return tensordot(b, own, Enumerable.Range(0, (int)dims).Select(i => (long)i).ToArray());
        }

        public Tensor tensordot(Tensor b, (long, long)[] dims) =>
            tensordot(b, Array.ConvertAll(dims, pair => pair.Item1), Array.ConvertAll(dims, pair => pair.Item2));

        public Tensor pinverse(double rcond = 1e-15, bool hermitian = false) => Op.Call("linalg_pinv", this, rcond, hermitian);

        public Tensor random_(double from, double to, Generator? generator = null) => Op.InPlace("random_.from", this, (long)from, (long)to, generator);

        public static Tensor block_diag(params Tensor[] tensors) => Op.Call("block_diag", tensors);

        public Tensor stft(
            long n_fft, long hop_length = -1, long win_length = -1, Tensor? window = null, bool center = true, PaddingModes pad_mode = PaddingModes.Reflect,
            bool normalized = false, bool? onesided = null, bool? return_complex = null)
        {
            var mode = pad_mode.ToString().ToLowerInvariant();
            return Op.Call(
                "stft.center", this, n_fft, Given(hop_length), Given(win_length), window, center, mode, normalized, onesided, return_complex ?? is_complex());
        }

        public Tensor istft(
            long n_fft, long hop_length = -1, long win_length = -1, Tensor? window = null, bool center = true, bool normalized = false,
            bool? onesided = null, long length = -1, bool return_complex = false) =>
            Op.Call("istft", this, n_fft, Given(hop_length), Given(win_length), window, center, normalized, onesided, Given(length), return_complex);

        private static long? Given(long number) => number < 0 ? null : number;

        private static string? Name(RoundingMode mode) => mode switch
        {
            RoundingMode.trunc => "trunc",
            RoundingMode.floor => "floor",
            _ => null,
        };
    }
}
