using static TorchSharp.torch;

namespace Mesh.Models.Recipes;

/// <summary>Classifier-free guidance (Ho and Salimans 2022).</summary>
public static class Guidance
{
    /// <summary>Whether a scale asks for guidance at all; 0 to 1 mean one plain pass.</summary>
    public static bool IsActive(double scale) => scale > 1;

    /// <summary>unconditional + scale·(conditional − unconditional).</summary>
    /// <param name="unconditional">The prediction for the negative text.</param>
    /// <param name="conditional">The prediction for the text, same shape.</param>
    /// <param name="scale">Above 1.</param>
    /// <param name="rescale">How far the result is scaled back to the deviation of <paramref name="conditional"/> over everything but the batch
    /// (Lin et al. 2024), 0 to 1.</param>
    /// <returns>A new tensor.</returns>
    public static Tensor Combine(Tensor unconditional, Tensor conditional, double scale, double rescale = 0)
    {
        using var scope = NewDisposeScope();
        var guided = unconditional.add(conditional.sub(unconditional).mul(scale));
        if (rescale > 0)
        {
            long[] axes = [.. Enumerable.Range(1, (int)guided.dim() - 1).Select(axis => (long)axis)];
            var scaled = guided.mul(conditional.std(axes, keepdim: true).div(guided.std(axes, keepdim: true)));
            guided = scaled.mul(rescale).add(guided.mul(1 - rescale));
        }

        return guided.MoveToOuterDisposeScope();
    }
}
