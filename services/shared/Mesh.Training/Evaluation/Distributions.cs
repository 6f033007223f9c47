using static TorchSharp.torch;

namespace Mesh.Training.Evaluation;

/// <summary>Share of generated samples among the real ones, and of real ones among the generated.</summary>
/// <param name="Precision">How many fakes lie within a real sample's radius, from 0 to 1.</param>
/// <param name="Recall">How many reals lie within a fake sample's radius.</param>
/// <param name="FakeInReal">For each fake, whether it does.</param>
/// <param name="RealInFake">For each real, whether it does.</param>
/// <param name="RealRadii">Distance of each real to its k-th nearest other real.</param>
/// <param name="FakeRadii">The same of fakes.</param>
public sealed record PrecisionRecall(double Precision, double Recall, bool[] FakeInReal, bool[] RealInFake, double[] RealRadii, double[] FakeRadii);

/// <summary>Distances between two sets of features, [samples, width] each, of any type; sums are made in double precision on the CPU.</summary>
public static class Distributions
{
    private const int PiecesOf = 4096;

    /// <summary>
    /// The Fréchet distance of the normal distributions with the sets' means and covariances (divisor n − 1). The trace of (C1·C2)^½ is taken as the sum
    /// of the singular values of A1·A2ᵀ with A the centred rows over √(n − 1): exact where covariances are singular, as with few samples they are.
    /// </summary>
    public static double Frechet(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        var (meanA, rowsA) = Centred(first);
        var (meanB, rowsB) = Centred(second);
        var (traceA, traceB) = (rowsA.square().sum().item<double>(), rowsB.square().sum().item<double>());
        return (meanA - meanB).square().sum().item<double>() + traceA + traceB - (2 * Cross(rowsA, rowsB));
    }

    /// <summary>The same of known means, [width], and covariances, [width, width].</summary>
    public static double Frechet(Tensor meanA, Tensor covarianceA, Tensor meanB, Tensor covarianceB)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Root(covarianceA), Root(covarianceB));
        var difference = meanA.to(ScalarType.Float64).cpu() - meanB.to(ScalarType.Float64).cpu();
        return difference.square().sum().item<double>() + a.square().sum().item<double>() + b.square().sum().item<double>()
            - (2 * linalg.svdvals(a.matmul(b)).sum().item<double>());
    }

    /// <summary>The kernel distance with the cubic kernel (x·y/width + 1)³, without bias: pairs of a sample with itself are left out.</summary>
    public static double Kernel(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        var (x, y) = (Wide(first), Wide(second));
        double n = x.shape[0], m = y.shape[0];
        var (inner, other) = (Cubic(x, x), Cubic(y, y));
        return ((Sum(inner) - inner.trace().item<double>()) / (n * (n - 1))) + ((Sum(other) - other.trace().item<double>()) / (m * (m - 1)))
            - (2 * Cubic(x, y).mean().item<double>());
    }

    /// <summary>Improved precision and recall (Kynkäänniemi et al. 2019).</summary>
    /// <param name="real">[n, width].</param>
    /// <param name="fake">[m, width].</param>
    /// <param name="neighbours">Which nearest other sample of a set gives a sample's radius.</param>
    public static PrecisionRecall Overlap(Tensor real, Tensor fake, int neighbours = 3)
    {
        using var scope = NewDisposeScope();
        var (x, y) = (Wide(real), Wide(fake));
        if (x.shape[0] <= neighbours || y.shape[0] <= neighbours)
            throw new ArgumentException($"more than {neighbours} samples of each are needed", nameof(neighbours));
        var (realRadii, fakeRadii) = (Radii(x, neighbours), Radii(y, neighbours));
        var fakeInReal = Inside(y, x, realRadii);
        var realInFake = Inside(x, y, fakeRadii);
        return new PrecisionRecall(
            fakeInReal.Average(b => b ? 1.0 : 0), realInFake.Average(b => b ? 1.0 : 0), fakeInReal, realInFake,
            realRadii.data<double>().ToArray(), fakeRadii.data<double>().ToArray());
    }

    private static (Tensor Mean, Tensor Rows) Centred(Tensor features)
    {
        var wide = Wide(features);
        if (wide.shape[0] < 2)
            throw new ArgumentException("a covariance needs two samples at least", nameof(features));
        var mean = wide.mean([0]);
        return (mean, (wide - mean) / Math.Sqrt(wide.shape[0] - 1));
    }

    // With more samples than features the covariances' roots are smaller than the rows.
    private static double Cross(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (first, second) = (Shortened(a), Shortened(b));
        return linalg.svdvals(first.matmul(second.t())).sum().item<double>();
    }

    // Rows with the same products among themselves: QR keeps AᵀA.
    private static Tensor Shortened(Tensor rows)
    {
        if (rows.shape[0] <= rows.shape[1])
            return rows;
        var (_, triangle) = linalg.qr(rows);
        return triangle;
    }

    private static Tensor Root(Tensor covariance)
    {
        var (values, vectors) = linalg.eigh(covariance.to(ScalarType.Float64).cpu());
        return (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());
    }

    private static Tensor Wide(Tensor features) => features.detach().to(ScalarType.Float64).cpu();

    private static Tensor Cubic(Tensor a, Tensor b) => ((a.matmul(b.t()) / a.shape[1]) + 1).pow(3);

    private static double Sum(Tensor values) => values.sum().item<double>();

    private static Tensor Radii(Tensor set, int neighbours)
    {
        var radii = new List<Tensor>();
        for (long at = 0; at < set.shape[0]; at += PiecesOf)
        {
            using var scope = NewDisposeScope();
            var part = set.narrow(0, at, Math.Min(PiecesOf, set.shape[0] - at));
            // The nearest of all is the sample itself, at no distance.
            radii.Add(Apart(part, set).kthvalue(neighbours + 1, 1).Item1.MoveToOuterDisposeScope());
        }

        return cat(radii.ToArray(), 0);
    }

    private static bool[] Inside(Tensor samples, Tensor centres, Tensor radii)
    {
        var inside = new List<bool>();
        for (long at = 0; at < samples.shape[0]; at += PiecesOf)
        {
            using var scope = NewDisposeScope();
            var part = samples.narrow(0, at, Math.Min(PiecesOf, samples.shape[0] - at));
            inside.AddRange(Apart(part, centres).le(radii).any(1).data<bool>().ToArray());
        }

        return [.. inside];
    }

    private static Tensor Apart(Tensor a, Tensor b) => cdist(a, b, 2, TorchSharp.compute_mode.donot_use_mm_for_euclid_dist);
}
