using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>Distances between what a network said and what it should have: a number for each sample, [B], from differences [B, ...]. Differentiable.</summary>
public static class Distances
{
    // What the consistency-model literature multiplies the root of the number of elements with.
    private const double NormShare = 0.00054;

    /// <summary>The mean of squares.</summary>
    public static Tensor Squared(Tensor difference)
    {
        using var scope = NewDisposeScope();
        return difference.square().flatten(1).mean([1]).MoveToOuterDisposeScope();
    }

    /// <summary>Pseudo-Huber on the whole sample: √(sum of squares + k²) − k.</summary>
    /// <param name="difference">[B, ...].</param>
    /// <param name="k">Where the loss passes from square to straight; <see cref="NormScale"/> gives the usual one.</param>
    public static Tensor HuberOfNorm(Tensor difference, double k)
    {
        using var scope = NewDisposeScope();
        return ((difference.square().flatten(1).sum([1]) + (k * k)).sqrt() - k).MoveToOuterDisposeScope();
    }

    /// <summary>Pseudo-Huber on the sample's root mean square: √(mean of squares + c²) − c. Its size does not depend on the number of elements.</summary>
    public static Tensor HuberOfMean(Tensor difference, double c)
    {
        using var scope = NewDisposeScope();
        return ((difference.square().flatten(1).mean([1]) + (c * c)).sqrt() - c).MoveToOuterDisposeScope();
    }

    /// <summary>Pseudo-Huber on each element: the mean of √(d² + c²) − c.</summary>
    public static Tensor HuberOfElements(Tensor difference, double c)
    {
        using var scope = NewDisposeScope();
        return ((difference.square() + (c * c)).sqrt() - c).flatten(1).mean([1]).MoveToOuterDisposeScope();
    }

    /// <summary>The usual k of <see cref="HuberOfNorm"/>: 0.00054·√(elements of a sample).</summary>
    public static double NormScale(Tensor difference) => NormShare * Math.Sqrt(difference.numel() / (double)difference.shape[0]);
}
