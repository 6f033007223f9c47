using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>What an Euler run of a flow's velocity field gives: where it ends, and how straight and how long its way was.</summary>
/// <param name="End">[B, C, H, W].</param>
/// <param name="Straightness">Per sample, [B]: the mean over steps and elements of ((end − noise) − velocity)²; 0 for a straight way.</param>
/// <param name="TransportCost">Per sample, [B]: the mean over elements of (end − noise)².</param>
public sealed record EulerResult(Tensor End, Tensor Straightness, Tensor TransportCost) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        End.Dispose();
        Straightness.Dispose();
        TransportCost.Dispose();
    }
}

/// <summary>Runs a velocity field from noise to picture in equal steps.</summary>
public static class EulerPath
{
    /// <summary>Takes <paramref name="steps"/> equal steps and measures them. No gradient is recorded.</summary>
    /// <param name="noise">[B, C, H, W].</param>
    /// <param name="steps">At least 1.</param>
    /// <param name="velocity">The field: state [B, C, H, W] and U-Net time [B] to velocity [B, C, H, W].</param>
    public static EulerResult Run(Tensor noise, int steps, Func<Tensor, Tensor, Tensor> velocity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(steps);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var state = noise;
        var speeds = new List<Tensor>(steps);
        for (var i = 0; i < steps; i++)
        {
            var time = full([noise.shape[0]], (float)(FlowPath.UNetSpan * (1 - (i / (double)steps))), ScalarType.Float32, noise.device);
            speeds.Add(velocity(state, time));
            state = state + (speeds[^1] / steps);
        }

        var whole = state - noise;
        Tensor sum = zeros([noise.shape[0]], noise.dtype, noise.device);
        foreach (var speed in speeds)
            sum = sum + Distances.Squared(whole - speed);
        return new EulerResult(
            state.MoveToOuterDisposeScope(), (sum / steps).MoveToOuterDisposeScope(), Distances.Squared(whole).MoveToOuterDisposeScope());
    }
}
