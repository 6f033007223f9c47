using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

public sealed class LossTests
{
    public static TheoryData<string, Module<Tensor, Tensor, Tensor>, Func<double, double, double>> Elementwise => new()
    {
        { "mse", MSELoss(Reduction.None), (x, y) => (x - y) * (x - y) },
        { "l1", L1Loss(Reduction.None), (x, y) => Math.Abs(x - y) },
        { "smooth", SmoothL1Loss(Reduction.None, 0.5), (x, y) => Math.Abs(x - y) < 0.5 ? (x - y) * (x - y) : Math.Abs(x - y) - 0.25 },
        { "huber", HuberLoss(0.5, Reduction.None), (x, y) => Math.Abs(x - y) < 0.5 ? 0.5 * (x - y) * (x - y) : 0.5 * (Math.Abs(x - y) - 0.25) },
        { "logits", BCEWithLogitsLoss(reduction: Reduction.None), (x, y) => Math.Log(1 + Math.Exp(x)) - x * y },
        { "kl", KLDivLoss(true, Reduction.None), (x, y) => Math.Exp(y) * (y - x) },
        { "hinge", HingeEmbeddingLoss(1, Reduction.None), (x, y) => y == 1 ? x : y == -1 ? Math.Max(0, 1 - x) : double.NaN },
    };

    [Theory]
    [MemberData(nameof(Elementwise))]
    public void Loss_OfEachElement_MatchesItsFormula(string name, Module<Tensor, Tensor, Tensor> loss, Func<double, double, double> formula)
    {
        using var x = Wave([4, 5]) * 2;
        using var y = name == "hinge" ? Wave([4, 5], 1).sign() : Wave([4, 5], 1);
        using var result = loss.call(x, y);
        result.ShouldBeClose(Values(x).Zip(Values(y), formula).ToArray());
    }

    [Fact]
    public void Reductions_OfALoss_AreMeanAndSum()
    {
        using var x = Wave([4, 5]);
        using var y = Wave([4, 5], 1);
        var squares = Values(x).Zip(Values(y), (a, b) => (a - b) * (a - b)).ToArray();
        functional.mse_loss(x, y).ShouldBeClose([squares.Average()]);
        functional.mse_loss(x, y, Reduction.Sum).ShouldBeClose([squares.Sum()]);
    }

    [Fact]
    public void CrossEntropy_OfClasses_IsTheMeanOfTheLogProbabilities()
    {
        using var x = Wave([3, 4]) * 3;
        using var classes = torch.tensor(new long[] { 1, 3, 0 });
        var rows = Values(x).Chunk(4).ToArray();
        var expected = rows.Select((r, i) => Math.Log(r.Sum(Math.Exp)) - r[new[] { 1, 3, 0 }[i]]).ToArray();
        CrossEntropyLoss().call(x, classes).ShouldBeClose([expected.Average()]);
        NLLLoss(reduction: Reduction.None).call(functional.log_softmax(x, 1), classes).ShouldBeClose(expected);
        functional.cross_entropy(x, classes, ignore_index: 3).ShouldBeClose([(expected[0] + expected[2]) / 2]);
    }

    [Fact]
    public void BinaryCrossEntropy_OfProbabilities_MatchesTheFormula()
    {
        using var p = Wave([6]).abs() * 0.9 + 0.05;
        using var y = Wave([6], 1).abs();
        var expected = Values(p).Zip(Values(y), (a, b) => -b * Math.Log(a) - (1 - b) * Math.Log(1 - a)).Average();
        BCELoss().call(p, y).ShouldBeClose([expected]);
    }

    [Fact]
    public void LossesOfVectors_MatchTheirFormulas()
    {
        using var a = Wave([2, 3]);
        using var b = Wave([2, 3], 1);
        using var signs = torch.tensor(new float[] { 1, -1 });
        var cosine = Values(functional.cosine_similarity(a, b));
        CosineEmbeddingLoss(0.1, Reduction.None).call(a, b, signs).ShouldBeClose([1 - cosine[0], Math.Max(0, cosine[1] - 0.1)]);
        using var c = Wave([2, 3], 2);
        double Distance(double[] x, double[] y, int row) => Math.Sqrt(Enumerable.Range(row * 3, 3).Sum(i => Math.Pow(x[i] - y[i] + 1e-6, 2)));
        var expected = Enumerable.Range(0, 2).Select(r => Math.Max(0, Distance(Values(a), Values(b), r) - Distance(Values(a), Values(c), r) + 1)).Average();
        TripletMarginLoss().call(a, b, c).ShouldBeClose([expected]);
    }
}
