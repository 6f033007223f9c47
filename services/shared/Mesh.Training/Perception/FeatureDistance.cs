using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Perception;

/// <summary>How two networks' features of one place are compared, and what becomes of the places.</summary>
public static class FeatureDistance
{
    // Below what a sum of squares in float32 can show; keeps the root's gradient finite where all channels are 0.
    private const double LeastSum = 1e-30;

    /// <summary>f / (√(Σ f²) + 1e-10), over the channels, as LPIPS 0.1 does.</summary>
    public static Tensor UnitWithEpsilonOutside(Tensor features)
    {
        using var scope = NewDisposeScope();
        var norm = features.square().sum([1], keepdim: true).clamp_min(LeastSum).sqrt() + 1e-10; // [B, 1, H, W]
        return (features / norm).MoveToOuterDisposeScope();
    }

    /// <summary>f / √(Σ f² + 1e-8), over the channels, as E-LatentLPIPS does.</summary>
    public static Tensor UnitWithEpsilonInside(Tensor features)
    {
        using var scope = NewDisposeScope();
        var norm = (features.square().sum([1], keepdim: true) + 1e-8).sqrt(); // [B, 1, H, W]
        return (features / norm).MoveToOuterDisposeScope();
    }

    /// <summary>The squared differences summed over the channels, each with its weight, or each with 1: [B, 1, h, w].</summary>
    public static Tensor Map(Tensor a, Tensor b, Tensor? weight)
    {
        using var scope = NewDisposeScope();
        var squares = (a - b).square(); // [B, C, h, w]
        return (weight is null ? squares.sum([1], keepdim: true) : F.conv2d(squares, weight)).MoveToOuterDisposeScope();
    }

    /// <summary>The mean over all places, [B, 1, 1, 1], or the map itself enlarged to a size, [B, 1, H, W].</summary>
    public static Tensor Gather(Tensor map, long[]? size) =>
        size is null ? map.mean([2, 3], keepdim: true) : F.interpolate(map, size: size, mode: InterpolationMode.Bilinear, align_corners: false);
}
