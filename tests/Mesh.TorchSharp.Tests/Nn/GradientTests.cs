using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

public sealed class GradientTests
{
    public static TheoryData<string, Func<Tensor[], Tensor>, long[][]> Functions => new()
    {
        { "linear", x => functional.linear(x[0], x[1], x[2]), [[2, 3], [4, 3], [4]] },
        { "conv2d", x => functional.conv2d(x[0], x[1], x[2], [2, 2], [1, 1]), [[1, 2, 5, 4], [3, 2, 3, 3], [3]] },
        { "conv_transpose2d", x => functional.conv_transpose2d(x[0], x[1], null, [2, 2], [1, 1]), [[1, 2, 3, 3], [2, 3, 4, 4]] },
        { "group_norm", x => functional.group_norm(x[0], 2, x[1], x[2]), [[2, 4, 3, 2], [4], [4]] },
        { "layer_norm", x => functional.layer_norm(x[0], [5], x[1], x[2]), [[3, 5], [5], [5]] },
        { "attention", x => functional.scaled_dot_product_attention(x[0], x[1], x[2]), [[2, 3, 4], [2, 5, 4], [2, 5, 3]] },
        { "silu", x => functional.silu(x[0]), [[12]] },
        { "gelu", x => functional.gelu(x[0]), [[12]] },
        { "softplus", x => functional.softplus(x[0]), [[12]] },
        { "softmax", x => functional.softmax(x[0], 1), [[3, 4]] },
        { "interpolate", x => functional.interpolate(x[0], [5, 7], mode: InterpolationMode.Bilinear, align_corners: false), [[1, 2, 3, 4]] },
        { "pixel_shuffle", x => functional.pixel_shuffle(x[0], 2), [[1, 4, 2, 3]] },
        { "avg_pool2d", x => functional.avg_pool2d(x[0], 2), [[1, 2, 4, 4]] },
        { "normalize", x => functional.normalize(x[0]), [[3, 4]] },
        { "grid_sample", x => functional.grid_sample(x[0], x[1] * 0.7, align_corners: false), [[1, 2, 3, 4], [1, 2, 2, 2]] },
        { "mse_loss", x => functional.mse_loss(x[0], x[1]), [[3, 4], [3, 4]] },
        { "cross_entropy", x => functional.cross_entropy(x[0], tensor(new long[] { 1, 0, 3 })), [[3, 4]] },
        { "bce", x => functional.binary_cross_entropy_with_logits(x[0], functional.sigmoid(x[1])), [[6], [6]] },
    };

    [Theory]
    [MemberData(nameof(Functions))]
    public void Gradient_OfEachFunction_MatchesFiniteDifferences(string name, Func<Tensor[], Tensor> function, long[][] shapes)
    {
        name.ShouldNotBeEmpty();
        var inputs = shapes.Select((shape, i) => Wave(shape, i, ScalarType.Float64)).ToArray();
        GradientsShouldMatch(function, inputs);
        foreach (var input in inputs) input.Dispose();
    }

    [Fact]
    public void Gradient_OfModules_ReachesAllParameters()
    {
        using var net = Sequential(Conv2d(1, 4, 3, padding: 1), GroupNorm(2, 4), SiLU(), Conv2d(4, 1, 3, padding: 1)).to(ScalarType.Float64);
        using var x = Wave([1, 1, 4, 4], 0, ScalarType.Float64);
        GradientsShouldMatch(_ => net.call(x), net.parameters().Cast<Tensor>().ToArray());
    }
}
