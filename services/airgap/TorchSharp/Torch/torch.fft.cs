namespace TorchSharp;

public static partial class torch
{
    /// <summary>Discrete Fourier transforms.</summary>
    public static class fft
    {
        public static Tensor fft_(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_fft", input, Given(n), dim, Name(norm));

        public static Tensor ifft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_ifft", input, Given(n), dim, Name(norm));

        public static Tensor rfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_rfft", input, Given(n), dim, Name(norm));

        public static Tensor irfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_irfft", input, Given(n), dim, Name(norm));

        public static Tensor hfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_hfft", input, Given(n), dim, Name(norm));

        public static Tensor ihfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_ihfft", input, Given(n), dim, Name(norm));

        public static Tensor fft2(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_fft2", input, s, dim ?? [-2, -1], Name(norm));

        public static Tensor fftn(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_fftn", input, s, dim, Name(norm));

        public static Tensor ifft2(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_ifft2", input, s, dim ?? [-2, -1], Name(norm));

        public static Tensor ifftn(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_ifftn", input, s, dim, Name(norm));

        public static Tensor rfft2(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_rfft2", input, s, dim ?? [-2, -1], Name(norm));

        public static Tensor rfftn(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_rfftn", input, s, dim, Name(norm));

        public static Tensor irfft2(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_irfft2", input, s, dim ?? [-2, -1], Name(norm));

        public static Tensor irfftn(Tensor input, long[]? s = null, long[]? dim = null, FFTNormType norm = FFTNormType.Backward) =>
            Op.Call("fft_irfftn", input, s, dim, Name(norm));

        public static Tensor fftshift(Tensor input, long[]? dim = null) => Op.Call("fft_fftshift", input, dim);
        public static Tensor ifftshift(Tensor input, long[]? dim = null) => Op.Call("fft_ifftshift", input, dim);

        public static Tensor fftfreq(long n, double d = 1, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Finished(Op.Call("fft_fftfreq", n, d, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, null);

        public static Tensor rfftfreq(long n, double d = 1, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
            Finished(Op.Call("fft_rfftfreq", n, d, dtype ?? _defaultType, Arg.None, device ?? _defaultDevice), requires_grad, null);

        private static long? Given(long length) => length < 0 ? null : length;

        private static string Name(FFTNormType norm) => norm switch
        {
            FFTNormType.Forward => "forward",
            FFTNormType.Ortho => "ortho",
            _ => "backward",
        };
    }

    /// <summary>Special functions.</summary>
    public static class special
    {
        public static Tensor digamma(Tensor input) => Op.Call("special_digamma", input);
        public static Tensor entr(Tensor input) => Op.Call("special_entr", input);
        public static Tensor erf(Tensor input) => Op.Call("special_erf", input);
        public static Tensor erfc(Tensor input) => Op.Call("special_erfc", input);
        public static Tensor erfcx(Tensor input) => Op.Call("special_erfcx", input);
        public static Tensor erfinv(Tensor input) => Op.Call("special_erfinv", input);
        public static Tensor exp2(Tensor input) => Op.Call("special_exp2", input);
        public static Tensor expit(Tensor input) => Op.Call("special_expit", input);
        public static Tensor expm1(Tensor input) => Op.Call("special_expm1", input);
        public static Tensor gammaln(Tensor input) => Op.Call("special_gammaln", input);
        public static Tensor i0(Tensor input) => Op.Call("special_i0", input);
        public static Tensor i0e(Tensor input) => Op.Call("special_i0e", input);
        public static Tensor i1(Tensor input) => Op.Call("special_i1", input);
        public static Tensor i1e(Tensor input) => Op.Call("special_i1e", input);
        public static Tensor ndtr(Tensor input) => Op.Call("special_ndtr", input);
        public static Tensor ndtri(Tensor input) => Op.Call("special_ndtri", input);
        public static Tensor psi(Tensor input) => Op.Call("special_psi", input);
        public static Tensor sinc(Tensor input) => Op.Call("special_sinc", input);
        public static Tensor gammainc(Tensor input, Tensor other) => Op.Call("special_gammainc", input, other);
        public static Tensor gammaincc(Tensor input, Tensor other) => Op.Call("special_gammaincc", input, other);
        public static Tensor xlog1py(Tensor input, Tensor other) => Op.Call("special_xlog1py", input, other);
        public static Tensor zeta(Tensor x, Tensor q) => Op.Call("special_zeta", x, q);
        public static Tensor logit(Tensor input) => Op.Call("special_logit", input);
        public static Tensor multigammaln(Tensor input, long p) => Op.Call("special_multigammaln", input, p);
        public static Tensor polygamma(long n, Tensor input) => Op.Call("special_polygamma", n, input);
        public static Tensor sigmoid(Tensor input) => input.sigmoid();
        public static Tensor sigmoid_(Tensor input) => input.sigmoid_();
        public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => input.softmax(dim, dtype);
        public static Tensor log_softmax(Tensor input, long dim, ScalarType? dtype = null) => input.log_softmax(dim, dtype);
    }
}
