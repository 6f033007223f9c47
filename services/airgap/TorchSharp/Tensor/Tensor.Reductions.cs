namespace TorchSharp;

public static partial class torch
{
    // Sums, extremes, orders and statistics along axes.
    public partial class Tensor
    {
        public Tensor all() => Op.Call("all", this);
        public Tensor all(long dim, bool keepdim = false) => Op.Call("all.dim", this, dim, keepdim);
        public Tensor amax(params long[] dims) => Op.Call("amax", this, dims);
        public Tensor amin(params long[] dims) => Op.Call("amin", this, dims);
        public (Tensor min, Tensor max) aminmax(long? dim = null, bool keepdim = false) => Op.Call2("aminmax", this, dim, keepdim);
        public Tensor any() => Op.Call("any", this);
        public Tensor any(long dim, bool keepdim = false) => Op.Call("any.dim", this, dim, keepdim);
        public Tensor argmax() => Op.Call("argmax", this);
        public Tensor argmax(long dim, bool keepdim = false) => Op.Call("argmax", this, dim, keepdim);
        public Tensor argmin() => Op.Call("argmin", this);
        public Tensor argmin(long dim, bool keepdim = false) => Op.Call("argmin", this, dim, keepdim);
        public Tensor argsort(long dim = -1, bool descending = false) => Op.Call("argsort", this, dim, descending);
        public Tensor bincount(Tensor? weights, long minlength = 0) => Op.Call("bincount", this, weights, minlength);
        public Tensor bucketize(Tensor boundaries, bool outInt32 = false, bool right = false) =>
            Op.Call("bucketize.Tensor", this, boundaries, outInt32, right);
        public Tensor corrcoef() => Op.Call("corrcoef", this);
        public Tensor cov(long correction = 1, Tensor? fweights = null, Tensor? aweights = null) => Op.Call("cov", this, correction, fweights, aweights);
        public (Tensor values, Tensor indices) cummax(long dim) => Op.Call2("cummax", this, dim);
        public (Tensor values, Tensor indices) cummin(long dim) => Op.Call2("cummin", this, dim);
        public Tensor cumprod(long dim, ScalarType? type = null) => Op.Call("cumprod", this, dim, type);
        public Tensor cumsum(long dim, ScalarType? type = null) => Op.Call("cumsum", this, dim, type);
        public Tensor cumulative_trapezoid(Tensor x, long dim = -1) => Op.Call("cumulative_trapezoid.x", this, x, dim);
        public Tensor cumulative_trapezoid(double dx = 1, long dim = -1) => Op.Call("cumulative_trapezoid.dx", this, dx, dim);
        public Tensor diff(long n = 1, long dim = -1, Tensor? prepend = null, Tensor? append = null) => Op.Call("diff", this, n, dim, prepend, append);
        public Tensor logcumsumexp(long dim) => Op.Call("logcumsumexp", this, dim);
        public (Tensor values, Tensor indices) max(long dim, bool keepdim = false) => Op.Call2("max.dim", this, dim, keepdim);
        public Tensor max() => Op.Call("max", this);
        public Tensor max(Tensor other) => Op.Call("max.other", this, other);
        public Tensor mean() => Op.Call("mean", this);
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) => Op.Call("mean.dim", this, dimensions, keepdim, type);
        public Tensor median() => Op.Call("median", this);
        public (Tensor values, Tensor indices) min(long dim, bool keepdim = false) => Op.Call2("min.dim", this, dim, keepdim);
        public Tensor min() => Op.Call("min", this);
        public Tensor min(Tensor other) => Op.Call("min.other", this, other);
        public (Tensor values, Tensor indices) mode(long dim = -1, bool keepdim = false) => Op.Call2("mode", this, dim, keepdim);
        public Tensor msort() => Op.Call("msort", this);
        public Tensor nanmedian() => Op.Call("nanmedian", this);
        public Tensor nanquantile(Tensor q, long dim = -1, bool keepdim = false) => Op.Call("nanquantile", this, q, dim, keepdim);
        public Tensor nansum() => Op.Call("nansum", this);
        public Tensor norm(float p = 2) => Op.Call("norm.Scalar", this, p);
        public Tensor prod(ScalarType? type = null) => Op.Call("prod", this, type);
        public Tensor prod(long dim, bool keepdim = false, ScalarType? type = null) => Op.Call("prod.dim_int", this, dim, keepdim, type);
        public Tensor quantile(Tensor q, long dim = -1, bool keepdim = false) => Op.Call("quantile", this, q, dim, keepdim);
        public Tensor renorm(float p, long dim, float maxnorm) => Op.Call("renorm", this, p, dim, maxnorm);
        public Tensor std(bool unbiased = true) => Op.Call("std", this, unbiased);
        public (Tensor std, Tensor mean) std_mean(bool unbiased = true) => Op.Call2("std_mean", this, unbiased);
        public Tensor sum(ScalarType? type = null) => Op.Call("sum", this, type);
        public Tensor sum(long[] dim, bool keepdim = false, ScalarType? type = null) => Op.Call("sum.dim_IntList", this, dim, keepdim, type);
        public (Tensor values, Tensor indices) topk(int k, int dim = -1, bool largest = true, bool sorted = true) =>
            Op.Call2("topk", this, k, dim, largest, sorted);
        public Tensor trapezoid(Tensor x, long dim = -1) => Op.Call("trapezoid.x", this, x, dim);
        public Tensor trapezoid(double dx = 1, long dim = -1) => Op.Call("trapezoid.dx", this, dx, dim);
        public Tensor var(bool unbiased = true) => Op.Call("var", this, unbiased);
        public (Tensor var, Tensor mean) var_mean(bool unbiased = true) => Op.Call2("var_mean", this, unbiased);
    }
}
