using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>The normal distribution that an encoder gives for each element of a latent.</summary>
public sealed class DiagonalGaussian : IDisposable
{
    private const double LeastLogVariance = -30;
    private const double MostLogVariance = 20;

    /// <param name="moments">Means and logarithms of variances, side by side in the channels: [B, 2C, H, W].</param>
    public DiagonalGaussian(Tensor moments)
    {
        using var scope = NewDisposeScope();
        var halves = moments.chunk(2, 1);
        Mean = halves[0].contiguous().MoveToOuterDisposeScope();
        LogVariance = halves[1].clamp(LeastLogVariance, MostLogVariance).MoveToOuterDisposeScope();
        StandardDeviation = (LogVariance * 0.5).exp().MoveToOuterDisposeScope();
    }

    /// <summary>[B, C, H, W].</summary>
    public Tensor Mean { get; }

    /// <summary>Clamped to [-30, 20]; [B, C, H, W].</summary>
    public Tensor LogVariance { get; }

    /// <summary>[B, C, H, W].</summary>
    public Tensor StandardDeviation { get; }

    /// <summary>Mean + standard deviation · noise.</summary>
    public Tensor Sample(Tensor noise)
    {
        using var scope = NewDisposeScope();
        return (Mean + (StandardDeviation * noise)).MoveToOuterDisposeScope();
    }

    /// <summary>The divergence from the standard normal distribution, summed over each sample: [B].</summary>
    public Tensor KullbackLeibler()
    {
        using var scope = NewDisposeScope();
        var each = Mean.square() + LogVariance.exp() - 1 - LogVariance;
        return (each.sum([1, 2, 3]) * 0.5).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Mean.Dispose();
        LogVariance.Dispose();
        StandardDeviation.Dispose();
    }
}
