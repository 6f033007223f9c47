using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

public sealed class FunctionalTests
{
    [Fact]
    public void PixelShuffle_AndBack_MovesChannelsToPixels()
    {
        using var x = torch.arange(16, torch.ScalarType.Float32).reshape(1, 4, 2, 2);
        using var y = PixelShuffle(2).call(x);
        y.ShouldBeClose([0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15], 0);
        using var back = PixelUnshuffle(2).call(y);
        back.ShouldBeClose(x, 0);
    }

    [Fact]
    public void Pad_OfEachMode_FillsTheBorder()
    {
        using var x = torch.tensor(new float[] { 1, 2, 3 }).reshape(1, 1, 3);
        functional.pad(x, (1, 2), PaddingModes.Constant, 9).ShouldBeClose([9, 1, 2, 3, 9, 9], 0);
        functional.pad(x, (1, 2), PaddingModes.Reflect).ShouldBeClose([2, 1, 2, 3, 2, 1], 0);
        functional.pad(x, (1, 2), PaddingModes.Replicate).ShouldBeClose([1, 1, 2, 3, 3, 3], 0);
        functional.pad(x, (1, 2), PaddingModes.Circular).ShouldBeClose([3, 1, 2, 3, 1, 2], 0);
        using var image = torch.ones(1, 1, 2, 2);
        ZeroPad2d(1).call(image).sum().item<float>().ShouldBe(4);
        ReflectionPad2d((1, 0, 1, 0)).call(image).shape.ShouldBe([1, 1, 3, 3]);
    }

    [Fact]
    public void Interpolate_Nearest_RepeatsPixels()
    {
        using var x = torch.tensor(new float[] { 1, 2, 3, 4 }).reshape(1, 1, 2, 2);
        functional.interpolate(x, scale_factor: [2, 2]).ShouldBeClose([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4], 0);
        Upsample(scale_factor: [2, 2]).call(x).shape.ShouldBe([1, 1, 4, 4]);
        functional.interpolate(x, size: [1, 4]).shape.ShouldBe([1, 1, 1, 4]);
        Should.Throw<ArgumentException>(() => functional.interpolate(x));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Interpolate_Bilinear_MatchesTheFormula(bool corners)
    {
        using var x = Wave([1, 1, 1, 4]);
        using var y = functional.interpolate(x, size: [1, 7], mode: torch.InterpolationMode.Bilinear, align_corners: corners);
        var v = Values(x);
        y.ShouldBeClose(Enumerable.Range(0, 7).Select(i =>
        {
            var at = corners ? i * 3.0 / 6 : Math.Max(0, (i + 0.5) * 4 / 7 - 0.5);
            var left = Math.Min(3, (int)at);
            return v[left] + (v[Math.Min(3, left + 1)] - v[left]) * (at - left);
        }).ToArray());
    }

    [Fact]
    public void Interpolate_BicubicAndAntialias_KeepConstants()
    {
        using var x = torch.ones(1, 2, 8, 8) * 3;
        foreach (var antialias in new[] { false, true })
        {
            using var y = functional.interpolate(x, size: [5, 3], mode: torch.InterpolationMode.Bicubic, align_corners: false, antialias: antialias);
            y.shape.ShouldBe([1, 2, 5, 3]);
            Values(y).ShouldAllBe(e => Math.Abs(e - 3) < 1e-5);
        }
        using var area = functional.interpolate(x, size: [4, 4], mode: torch.InterpolationMode.Area);
        Values(area).ShouldAllBe(e => Math.Abs(e - 3) < 1e-6);
    }

    [Fact]
    public void Pools_OfWindows_GiveLargestAndMean()
    {
        using var x = torch.arange(16, torch.ScalarType.Float32).reshape(1, 1, 4, 4);
        MaxPool2d(2).call(x).ShouldBeClose([5, 7, 13, 15], 0);
        AvgPool2d(2).call(x).ShouldBeClose([2.5, 4.5, 10.5, 12.5], 0);
        functional.avg_pool2d(x, 3, stride: 1, padding: 1).ShouldBeClose(functional.conv2d(x, torch.ones(1, 1, 3, 3) / 9, padding: [1, 1]));
        AdaptiveAvgPool2d(1).call(x).ShouldBeClose([7.5], 0);
        functional.adaptive_avg_pool2d(x, (2, 4)).shape.ShouldBe([1, 1, 2, 4]);
        var (values, indices) = functional.max_pool2d_with_indices(x, [2L, 2]);
        values.ShouldBeClose([5, 7, 13, 15], 0);
        indices.ShouldBeClose([5, 7, 13, 15], 0);
    }

    [Fact]
    public void UnfoldAndFold_OfDisjointBlocks_AreInverse()
    {
        using var x = Wave([2, 3, 4, 6]);
        using var columns = functional.unfold(x, (2, 3), stride: (2, 3));
        columns.shape.ShouldBe([2, 18, 4]);
        using var back = functional.fold(columns, (4, 6), (2, 3), stride: (2, 3));
        back.ShouldBeClose(x, 0);
    }

    [Fact]
    public void GridSample_OfTheIdentityGrid_GivesTheInput()
    {
        using var x = Wave([1, 2, 4, 5]);
        using var theta = torch.tensor(new float[] { 1, 0, 0, 0, 1, 0 }).reshape(1, 2, 3);
        using var grid = functional.affine_grid(theta, [1, 2, 4, 5], false);
        using var y = functional.grid_sample(x, grid, align_corners: false);
        y.ShouldBeClose(x);
        using var flipped = functional.grid_sample(x, grid * -1, torch.GridSampleMode.Nearest, torch.GridSamplePaddingMode.Border, false);
        flipped.ShouldBeClose(x.flip(2, 3));
    }

    [Fact]
    public void NormalizeAndCosineSimilarity_MatchTheFormula()
    {
        using var a = Wave([3, 4]);
        using var b = Wave([3, 4], 1);
        double[] x = Values(a), y = Values(b);
        functional.normalize(a).ShouldBeClose(x.Chunk(4).SelectMany(r => r.Select(e => e / Math.Sqrt(r.Sum(f => f * f)))).ToArray());
        double Dot(double[] p, double[] q, int row) => Enumerable.Range(row * 4, 4).Sum(i => p[i] * q[i]);
        functional.cosine_similarity(a, b).ShouldBeClose(
            Enumerable.Range(0, 3).Select(r => Dot(x, y, r) / Math.Sqrt(Dot(x, x, r) * Dot(y, y, r))).ToArray());
    }

    [Fact]
    public void OneHot_OfClasses_HasOneOne()
    {
        using var x = torch.tensor(new long[] { 2, 0 });
        functional.one_hot(x, 3).ShouldBeClose([0, 0, 1, 1, 0, 0], 0);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("causal")]
    [InlineData("added")]
    [InlineData("boolean")]
    public void Attention_OfEachMask_MatchesLoops(string kind)
    {
        const int Rows = 5, Columns = 7, Width = 4;
        using var q = Wave([2, Rows, Width]);
        using var k = Wave([2, Columns, Width], 1);
        using var v = Wave([2, Columns, 3], 2);
        double Mask(int i, int j) => kind switch
        {
            "causal" => j <= i ? 0 : double.NegativeInfinity,
            "added" => Math.Cos(i + 2 * j),
            "boolean" => (i + j) % 3 != 0 ? 0 : double.NegativeInfinity,
            _ => 0,
        };
        var cells = Enumerable.Range(0, Rows * Columns).Select(c => Mask(c / Columns, c % Columns)).ToArray();
        using var mask = kind switch
        {
            "added" => torch.tensor(cells.Select(c => (float)c).ToArray()).reshape(Rows, Columns),
            "boolean" => torch.tensor(cells.Select(c => c == 0).ToArray()).reshape(Rows, Columns),
            _ => null,
        };
        using var y = functional.scaled_dot_product_attention(q, k, v, mask, is_casual: kind == "causal");
        var expected = Enumerable.Range(0, 2).SelectMany(n => Reference.Attention(Slice(q, n), Slice(k, n), Slice(v, n), Width, 3, Mask)).ToArray();
        y.ShouldBeClose(expected);
        using var mode = torch.inference_mode();
        using var fast = functional.scaled_dot_product_attention(q, k, v, mask, is_casual: kind == "causal");
        fast.ShouldBeClose(expected);
    }

    [Fact]
    public void Attention_OfLongSequences_MatchesTheWholeProduct()
    {
        using var scope = torch.NewDisposeScope();
        var q = Wave([1, 2, 1500, 16]);
        var k = Wave([1, 2, 1700, 16], 1);
        var v = Wave([1, 2, 1700, 16], 2);
        var expected = functional.softmax(q.matmul(k.transpose(-2, -1)) / 4, -1).matmul(v);
        using var mode = torch.inference_mode();
        functional.scaled_dot_product_attention(q, k, v).ShouldBeClose(expected);
        var mask = Wave([1500, 1700], 3);
        var masked = functional.softmax(q.matmul(k.transpose(-2, -1)) / 4 + mask, -1).matmul(v);
        functional.scaled_dot_product_attention(q, k, v, mask).ShouldBeClose(masked);
    }

    [Fact]
    public void MultiheadAttention_OfOneHead_IsAttentionBetweenProjections()
    {
        using var scope = torch.NewDisposeScope();
        var attention = MultiheadAttention(4, 1);
        attention.eval();
        attention.state_dict().Keys.ShouldBe(["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"], ignoreOrder: true);
        var x = Wave([5, 1, 4]);
        var projected = functional.linear(x.squeeze(1), attention.get_parameter("in_proj_weight")!, attention.get_parameter("in_proj_bias")).chunk(3, 1);
        var attended = functional.scaled_dot_product_attention(projected[0], projected[1], projected[2]);
        var expected = functional.linear(attended, attention.get_parameter("out_proj.weight")!, attention.get_parameter("out_proj.bias"));
        var (y, weights) = attention.call(x, x, x);
        y.squeeze(1).ShouldBeClose(expected);
        weights.shape.ShouldBe([1, 5, 5]);
    }

    private static double[] Slice(Tensor tensor, int index) => Values(tensor[index]);
}
