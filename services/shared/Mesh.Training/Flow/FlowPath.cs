using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>
/// The straight path of a rectified flow from noise (τ = 0) to picture (τ = 1), and the time that a U-Net is told on it. All are differentiable.
/// </summary>
public static class FlowPath
{
    /// <summary>What a U-Net is told at pure noise; it falls to 0 at the picture.</summary>
    public const double UNetSpan = 1000;

    /// <summary>τ·picture + (1 − τ)·noise.</summary>
    /// <param name="noise">[B, C, H, W].</param>
    /// <param name="picture">[B, C, H, W], a scaled latent.</param>
    /// <param name="tau">[B], in [0, 1].</param>
    /// <returns>[B, C, H, W].</returns>
    public static Tensor At(Tensor noise, Tensor picture, Tensor tau)
    {
        using var scope = NewDisposeScope();
        var share = tau.reshape(-1, 1, 1, 1); // [B, 1, 1, 1]
        return ((share * picture) + ((1 - share) * noise)).MoveToOuterDisposeScope();
    }

    /// <summary>The velocity of the path, which is the same all along it: picture − noise.</summary>
    public static Tensor Velocity(Tensor noise, Tensor picture) => picture - noise;

    /// <summary>1000·(1 − τ), a fraction and not a whole number.</summary>
    /// <param name="tau">[B].</param>
    /// <returns>[B].</returns>
    public static Tensor UNetTime(Tensor tau)
    {
        using var left = 1 - tau;
        return left * UNetSpan;
    }

    /// <summary>What a network that is at pure noise leads to in one step: noise + velocity.</summary>
    public static Tensor OneStep(Tensor noise, Tensor velocity) => noise + velocity;
}
