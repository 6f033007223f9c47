using static TorchSharp.torch;

namespace Mesh.Training.Perception;

/// <summary>
/// Doubling and halving of maps with the low-pass filter of the sym6 wavelet, as matrices: the filter is orthonormal, so that halving after doubling
/// gives back what was there.
/// </summary>
public static class WaveletResampling
{
    private const int Before = 6;
    private const int After = 5;

    /// <summary>The filter's twelve taps, of sum 1, in the order of the wavelet's table; they are not symmetric.</summary>
    public static IReadOnlyList<double> Taps { get; } = Normalised(
        0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466, 0.787641141030194,
        0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148);

    /// <summary>Doubles both sides of maps.</summary>
    /// <param name="maps">[..., H, W].</param>
    /// <returns>[..., 2H, 2W].</returns>
    public static Tensor Twice(Tensor maps)
    {
        using var scope = NewDisposeScope();
        using var rows = Doubling((int)maps.shape[^2], maps);
        using var columns = Doubling((int)maps.shape[^1], maps);
        return rows.matmul(maps).matmul(columns.t()).MoveToOuterDisposeScope();
    }

    /// <summary>Halves both sides of maps.</summary>
    /// <param name="maps">[..., H, W].</param>
    /// <param name="padding">Zeros added at each side beyond those that keep the size; negative crops.</param>
    /// <param name="correlate">Whether the filter is laid on as it stands instead of mirrored.</param>
    public static Tensor Halve(Tensor maps, int padding = 0, bool correlate = false)
    {
        using var scope = NewDisposeScope();
        using var rows = Halving((int)maps.shape[^2], padding, correlate, maps);
        using var columns = Halving((int)maps.shape[^1], padding, correlate, maps);
        return rows.matmul(maps).matmul(columns.t()).MoveToOuterDisposeScope();
    }

    /// <summary>[2n, n]: zeros between the values, then the mirrored filter twice as strong.</summary>
    private static Tensor Doubling(int length, Tensor like)
    {
        var matrix = new double[2 * length * length];
        for (var i = 0; i < 2 * length; i++)
        {
            for (var k = 0; k < Taps.Count; k++)
            {
                var place = i + k - Before;
                if (place >= 0 && place < 2 * length && place % 2 == 0)
                    matrix[(i * length) + (place / 2)] = 2 * Taps[Taps.Count - 1 - k];
            }
        }

        return Matrix(matrix, 2 * length, length, like);
    }

    /// <summary>[m, n]: every second place of the filtered row.</summary>
    private static Tensor Halving(int length, int padding, bool correlate, Tensor like)
    {
        var before = After + padding;
        var filtered = length + (2 * before) - Taps.Count + 1;
        if (filtered < 1)
            throw new ArgumentException($"{length} places are too few for the filter");
        var count = (filtered + 1) / 2;
        var matrix = new double[count * length];
        for (var i = 0; i < count; i++)
        {
            for (var k = 0; k < Taps.Count; k++)
            {
                var place = (2 * i) + k - before;
                if (place >= 0 && place < length)
                    matrix[(i * length) + place] = Taps[correlate ? k : Taps.Count - 1 - k];
            }
        }

        return Matrix(matrix, count, length, like);
    }

    private static Tensor Matrix(double[] values, int rows, int columns, Tensor like) =>
        tensor(values).reshape(rows, columns).to(like.dtype).to(like.device);

    private static double[] Normalised(params double[] taps)
    {
        var sum = taps.Sum();
        return [.. taps.Select(t => t / sum)];
    }
}
