using TorchSharp;
using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class ArithmeticTests
{
    [Fact]
    public void Operators_OfTwoTensors_BroadcastElementByElement()
    {
        using var scope = NewDisposeScope();
        var rows = Counting(2, 1);
        var columns = Counting(3);
        (rows + columns).ShouldBeClose([2, 3, 4, 3, 4, 5]);
        (rows - columns).ShouldBeClose([0, -1, -2, 1, 0, -1]);
        (rows * columns).ShouldBeClose([1, 2, 3, 2, 4, 6]);
        (rows / columns).ShouldBeClose([1, 0.5, 1 / 3.0, 2, 1, 2 / 3.0]);
        (columns % rows).ShouldBeClose([0, 0, 0, 1, 0, 1]);
    }

    [Fact]
    public void Operators_WithNumbersOnEitherSide_KeepTheTensorsType()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new float[] { 1, 2, 4 });
        foreach (var result in new[] { x + 1, 1 + x, x * 2.5, 2.5f * x, x - 1L, 8.0 / x, x / 2 }) result.dtype.ShouldBe(ScalarType.Float32);
        (1 + x).ShouldBeClose([2, 3, 5]);
        (1 - x).ShouldBeClose([0, -1, -3]);
        (8.0 / x).ShouldBeClose([8, 4, 2]);
        (-x).ShouldBeClose([-1, -2, -4]);
    }

    [Fact]
    public void Arithmetic_OfMixedTypes_PromotesAsTorchDoes()
    {
        using var scope = NewDisposeScope();
        var whole = tensor(new long[] { 1, 2, 3 });
        (whole + 1).dtype.ShouldBe(ScalarType.Int64);
        (whole + 1.5).dtype.ShouldBe(ScalarType.Float32);
        (whole / 2).dtype.ShouldBe(ScalarType.Float32);
        (whole + tensor(new float[] { 1, 1, 1 })).dtype.ShouldBe(ScalarType.Float32);
        (whole.to(float16) + tensor(new float[] { 1, 1, 1 })).dtype.ShouldBe(ScalarType.Float32);
        promote_types(ScalarType.Float16, ScalarType.BFloat16).ShouldBe(ScalarType.Float32);
        promote_types(ScalarType.Byte, ScalarType.Int8).ShouldBe(ScalarType.Int16);
    }

    [Fact]
    public void Div_WithRoundingModes_TruncatesOrFloors()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { -7, 7 });
        x.div(2.0).ShouldBeClose([-3.5, 3.5]);
        x.div(2.0, RoundingMode.trunc).ShouldBeClose([-3, 3]);
        x.div(2.0, RoundingMode.floor).ShouldBeClose([-4, 3]);
        x.div(tensor(new double[] { 2, -2 }), RoundingMode.floor).ShouldBeClose([-4, -4]);
    }

    [Fact]
    public void FusedForms_MatchTheirDefinitions()
    {
        using var scope = NewDisposeScope();
        Tensors(out var a, out var b, out var c);
        a.addcmul(b, c, 2.0).ShouldBeClose([1 + 2 * 4 * 7, 2 + 2 * 5 * 8, 3 + 2 * 6 * 9]);
        a.addcdiv(b, c, 0.5).ShouldBeClose([1 + 0.5 * 4 / 7, 2 + 0.5 * 5 / 8, 3 + 0.5 * 6 / 9]);
        a.lerp(b, tensor(0.25)).ShouldBeClose([1.75, 2.75, 3.75]);
        a.add(b, 3).ShouldBeClose([13, 17, 21]);
        maximum(a, 4 - a).ShouldBeClose([3, 2, 3]);
        minimum(a, 4 - a).ShouldBeClose([1, 2, 1]);
        a.hypot(b).ShouldBeClose([Math.Sqrt(17), Math.Sqrt(29), Math.Sqrt(45)]);
        a.atan2(b).ShouldBeClose([Math.Atan2(1, 4), Math.Atan2(2, 5), Math.Atan2(3, 6)]);
        a.logaddexp(b).ShouldBeClose([Math.Log(Math.E + Math.Exp(4)), Math.Log(Math.Exp(2) + Math.Exp(5)), Math.Log(Math.Exp(3) + Math.Exp(6))]);
        where(a > 1, b, c).ShouldBeClose([7, 5, 6]);
    }

    [Fact]
    public void Comparisons_OfTensorsAndNumbers_GiveTruthValues()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2, 3 });
        var y = tensor(new double[] { 3, 2, 1 });
        (x < y).data<bool>().ToArray().ShouldBe([true, false, false]);
        (x <= y).data<bool>().ToArray().ShouldBe([true, true, false]);
        (x > 1.5).data<bool>().ToArray().ShouldBe([false, true, true]);
        (x >= 2).data<bool>().ToArray().ShouldBe([false, true, true]);
        (x == y).data<bool>().ToArray().ShouldBe([false, true, false]);
        (x != 2).data<bool>().ToArray().ShouldBe([true, false, true]);
        ((x > 1) & (x < 3)).data<bool>().ToArray().ShouldBe([false, true, false]);
        ((x > 2) | (x < 2)).data<bool>().ToArray().ShouldBe([true, false, true]);
        (~(x > 2)).data<bool>().ToArray().ShouldBe([true, true, false]);
        (x > 0).all().item<bool>().ShouldBeTrue();
        (x > 3).any().item<bool>().ShouldBeFalse();
        x.isnan().any().item<bool>().ShouldBeFalse();
        (x / 0).isinf().all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void AllcloseAndEquals_CompareAll()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 });
        x.allclose(x + 1e-9).ShouldBeTrue();
        x.allclose(x + 1e-3).ShouldBeFalse();
        x.allclose(x + 1e-3, atol: 1e-2).ShouldBeTrue();
        x.Equals(x.clone()).ShouldBeTrue();
        x.Equals(x + 1e-9).ShouldBeFalse();
    }

    [Fact]
    public void BitwiseForms_OnIntegers_MatchCSharp()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new int[] { 12, 10, -1 });
        var y = tensor(new int[] { 10, 6, 7 });
        x.bitwise_and(y).data<int>().ToArray().ShouldBe([12 & 10, 10 & 6, -1 & 7]);
        x.bitwise_or(y).data<int>().ToArray().ShouldBe([12 | 10, 10 | 6, -1 | 7]);
        x.bitwise_xor(y).data<int>().ToArray().ShouldBe([12 ^ 10, 10 ^ 6, -1 ^ 7]);
        x.bitwise_left_shift(tensor(new int[] { 1, 2, 3 })).data<int>().ToArray().ShouldBe([24, 40, -8]);
    }

    [Fact]
    public void Softmax_AlongAnAxis_SumsToOneAndMatchesItsLogarithm()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(0, Math.Log(2), Math.Log(3), 1, 1, 1).reshape(2, 3);
        x.softmax(1).ShouldBeClose([1 / 6.0, 2 / 6.0, 3 / 6.0, 1 / 3.0, 1 / 3.0, 1 / 3.0]);
        x.log_softmax(1).exp().ShouldBeClose(x.softmax(1).Numbers());
        softmax(x, 0).sum(dim: 0).ShouldBeClose([1, 1, 1]);
    }

    private static void Tensors(out torch.Tensor a, out torch.Tensor b, out torch.Tensor c)
    {
        a = tensor(new double[] { 1, 2, 3 });
        b = tensor(new double[] { 4, 5, 6 });
        c = tensor(new double[] { 7, 8, 9 });
    }
}
