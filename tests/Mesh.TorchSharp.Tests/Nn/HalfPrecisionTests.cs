using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Nn;

public sealed class HalfPrecisionTests
{
    [Theory]
    [InlineData(8, false)]
    [InlineData(96, false)]
    [InlineData(96, true)]
    public void GroupNorm_InBFloat16_AddsUpInFloat32(long side, bool inference)
    {
        using var mode = inference ? inference_mode() : null;

        // Values of mean 3 and deviation 1: a sum in eight bits would stop growing long before the last of 27,648.
        using var scope = NewDisposeScope();
        var index = arange(2 * 6 * side * side, ScalarType.Float64);
        var x = ((index * 1.7).sin() * Math.Sqrt(2) + 3).to(ScalarType.BFloat16).reshape(2, 6, side, side);
        var groups = x.to(ScalarType.Float64).reshape(2, 2, -1);
        var mean = groups.mean([2], keepdim: true);
        var expected = ((groups - mean) / ((groups - mean).square().mean([2], keepdim: true) + 1e-5).sqrt()).reshape(x.shape);

        var normalised = nn.functional.group_norm(x, 2, ones(6, ScalarType.BFloat16), zeros(6, ScalarType.BFloat16));

        normalised.dtype.ShouldBe(ScalarType.BFloat16);
        (normalised.to(ScalarType.Float64) - expected).abs().max().item<double>().ShouldBeLessThan(0.01); // half a step of bf16 near 1.5
    }
}
