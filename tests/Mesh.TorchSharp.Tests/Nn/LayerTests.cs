using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

public sealed class LayerTests
{
    [Fact]
    public void Linear_OfAnyLeadingDimensions_MatchesTheProduct()
    {
        using var linear = Linear(5, 3);
        using var x = Wave([2, 4, 5]);
        using var y = linear.call(x);
        double[] a = Values(x), w = Values(linear.weight), b = Values(linear.bias!);
        y.shape.ShouldBe([2, 4, 3]);
        y.ShouldBeClose(Enumerable.Range(0, 24).Select(i => b[i % 3] + Enumerable.Range(0, 5).Sum(k => a[i / 3 * 5 + k] * w[i % 3 * 5 + k])).ToArray());
        using var none = torch.inference_mode();
        using var again = linear.call(x);
        again.ShouldBeClose(y);
    }

    [Fact]
    public void Embedding_OfIndices_PicksRows()
    {
        using var table = Embedding(4, 3, padding_idx: 1);
        var w = Values(table.weight);
        w[3..6].ShouldBe([0, 0, 0]);
        using var x = torch.tensor(new long[] { 2, 0, 3, 3 }).reshape(2, 2);
        using var y = table.call(x);
        y.shape.ShouldBe([2, 2, 3]);
        y.ShouldBeClose([.. w[6..9], .. w[0..3], .. w[9..12], .. w[9..12]], 0);
    }

    [Theory]
    [InlineData(1, 6, 3, 8, 8)]
    [InlineData(2, 8, 2, 5, 7)]
    [InlineData(2, 64, 32, 9, 4)]
    public void GroupNorm_InAnyLayout_MatchesLoops(int batch, int channels, int groups, int height, int width)
    {
        using var norm = GroupNorm(groups, channels, eps: 1e-6);
        init.normal_(norm.weight!);
        init.normal_(norm.bias!);
        using var x = Wave([batch, channels, height, width]);
        var expected = Reference.GroupNorm(Values(x), batch, channels, height * width, groups, Values(norm.weight!), Values(norm.bias!), 1e-6);
        using var last = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
        foreach (var input in new[] { x, last })
        {
            using var y = norm.call(input);
            y.ShouldBeClose(expected);
            using var none = torch.inference_mode();
            using var fast = norm.call(input);
            fast.ShouldBeClose(expected);
        }
    }

    [Fact]
    public void LayerNorm_OverTheLastDimension_MatchesLoops()
    {
        using var norm = LayerNorm(6);
        init.normal_(norm.weight!);
        init.normal_(norm.bias!);
        using var x = Wave([2, 3, 6]);
        double[] v = Values(x), w = Values(norm.weight!), b = Values(norm.bias!);
        var expected = v.Chunk(6).SelectMany(row =>
        {
            var mean = row.Average();
            var deviation = Math.Sqrt(row.Average(e => (e - mean) * (e - mean)) + 1e-5);
            return row.Select((e, i) => (e - mean) / deviation * w[i] + b[i]);
        }).ToArray();
        using var y = norm.call(x);
        y.ShouldBeClose(expected);
        using var plain = LayerNorm([3, 6], elementwise_affine: false);
        plain.parameters().ShouldBeEmpty();
        using var z = plain.call(x);
        Values(z)[..18].Average().ShouldBe(0, 1e-6);
    }

    [Fact]
    public void BatchNorm2d_InTrainingThenEvaluation_TracksTheStatistics()
    {
        using var norm = BatchNorm2d(2, momentum: 0.25);
        using var x = Wave([3, 2, 4, 4]);
        var v = Values(x);
        var ofChannel = Enumerable.Range(0, 2).Select(c => v.Where((_, i) => i / 16 % 2 == c).ToArray()).ToArray();
        using (var y = norm.call(x))
        {
            var mean = ofChannel[1].Average();
            var variance = ofChannel[1].Average(e => (e - mean) * (e - mean));
            Values(y)[16].ShouldBe((v[16] - mean) / Math.Sqrt(variance + 1e-5), 1e-5);
        }
        var means = ofChannel.Select(c => 0.25 * c.Average()).ToArray();
        var variances = ofChannel.Select(c => 0.75 + 0.25 * c.Sum(e => (e - c.Average()) * (e - c.Average())) / (c.Length - 1)).ToArray();
        norm.running_mean!.ShouldBeClose(means);
        norm.running_var!.ShouldBeClose(variances);
        Values(norm.num_batches_tracked!).ShouldBe([1]);
        norm.eval();
        using var evaluated = norm.call(x);
        evaluated.ShouldBeClose(v.Select((e, i) => (e - means[i / 16 % 2]) / Math.Sqrt(variances[i / 16 % 2] + 1e-5)).ToArray());
        using var flat = torch.ones(3, 2);
        Should.Throw<ArgumentException>(() => norm.call(flat));
    }

    [Fact]
    public void InstanceNorm2d_OfEachChannel_HasMeanZero()
    {
        using var norm = InstanceNorm2d(2);
        using var x = Wave([2, 2, 3, 3]);
        using var y = norm.call(x);
        y.ShouldBeClose(Reference.GroupNorm(Values(x), 2, 2, 9, 2, [1, 1], [0, 0], 1e-5));
    }

    [Fact]
    public void Dropout_InTraining_KeepsTheMeanAndInEvaluationTheInput()
    {
        using var dropout = Dropout(0.25);
        using var x = torch.ones(40_000);
        using var y = dropout.call(x);
        var values = Values(y);
        values.Distinct().Select(e => Math.Round(e, 6)).Order().ShouldBe([0, Math.Round(4.0 / 3, 6)]);
        values.Average().ShouldBe(1, 0.02);
        dropout.eval();
        using var z = dropout.call(x);
        Values(z).ShouldAllBe(e => e == 1);
    }

    public static TheoryData<string, Module<Tensor, Tensor>, Func<double, double>> Activations => new()
    {
        { "relu", ReLU(), x => Math.Max(0, x) },
        { "relu6", ReLU6(), x => Math.Min(6, Math.Max(0, x)) },
        { "leaky", LeakyReLU(0.2), x => x < 0 ? 0.2 * x : x },
        { "elu", ELU(0.5), x => x < 0 ? 0.5 * (Math.Exp(x) - 1) : x },
        { "silu", SiLU(), x => x / (1 + Math.Exp(-x)) },
        { "mish", Mish(), x => x * Math.Tanh(Math.Log(1 + Math.Exp(x))) },
        { "tanh", Tanh(), Math.Tanh },
        { "sigmoid", Sigmoid(), x => 1 / (1 + Math.Exp(-x)) },
        { "softplus", Softplus(2), x => Math.Log(1 + Math.Exp(2 * x)) / 2 },
        { "hardtanh", Hardtanh(-0.5, 0.25), x => Math.Clamp(x, -0.5, 0.25) },
        { "hardswish", Hardswish(), x => x * Math.Clamp(x + 3, 0, 6) / 6 },
        { "hardsigmoid", Hardsigmoid(), x => Math.Clamp(x + 3, 0, 6) / 6 },
        { "logsigmoid", LogSigmoid(), x => -Math.Log(1 + Math.Exp(-x)) },
        { "gelu tanh", GELU(global::TorchSharp.Modules.GELU.Approximate.tanh), x => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) },
        { "gelu", GELU(), x => x * Normal(x) },
        { "identity", Identity(), x => x },
    };

    [Theory]
    [MemberData(nameof(Activations))]
    public void Activation_MatchesItsFormula(string name, Module<Tensor, Tensor> module, Func<double, double> formula)
    {
        using var x = Wave([7, 11]) * 4;
        using var y = module.call(x);
        y.ShouldBeClose(Map(Values(x), formula), name == "gelu" ? 2e-6 : 1e-5);
    }

    [Fact]
    public void SoftmaxAndItsLogarithm_SumToOne()
    {
        using var x = Wave([3, 5]) * 3;
        using var y = Softmax(1).call(x);
        using var log = LogSoftmax(1).call(x);
        var expected = Values(x).Chunk(5).SelectMany(row => row.Select(e => Math.Exp(e) / row.Sum(Math.Exp))).ToArray();
        y.ShouldBeClose(expected);
        log.ShouldBeClose(Map(expected, Math.Log));
    }

    [Fact]
    public void PReLU_UsesItsSlope()
    {
        using var prelu = PReLU(1, 0.3);
        using var x = torch.tensor(new float[] { -2, 2 });
        using var y = prelu.call(x);
        y.ShouldBeClose([-0.6, 2]);
        prelu.state_dict().Keys.ShouldBe(["weight"]);
    }

    // The distribution function of the normal distribution, by its series.
    private static double Normal(double x)
    {
        double term = x, sum = x;
        for (var n = 1; n < 200; n++) sum += term *= x * x / (2 * n + 1);
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }
}
