using Mesh.TorchSharp.Tests.Nn;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Optim;

public sealed class OptimizerTests
{
    private const int Steps = 12;

    [Theory]
    [InlineData(0, 0, 0, false, false)]
    [InlineData(0.9, 0, 0, false, false)]
    [InlineData(0.9, 0.1, 0.01, false, false)]
    [InlineData(0.9, 0, 0.01, true, false)]
    [InlineData(0.5, 0, 0, false, true)]
    public void SGD_WithOptions_FollowsTheFormula(double momentum, double dampening, double decay, bool nesterov, bool maximize)
    {
        double[]? velocity = null;
        Run(p => optim.SGD(p, 0.1, momentum, dampening, decay, nesterov, maximize), (p, g, _) =>
        {
            for (var i = 0; i < g.Length; i++) g[i] = (maximize ? -g[i] : g[i]) + decay * p[i];
            if (momentum != 0) velocity = velocity is null ? (double[])g.Clone() : velocity.Zip(g, (v, e) => momentum * v + (1 - dampening) * e).ToArray();
            for (var i = 0; i < p.Length; i++) p[i] -= 0.1 * (momentum == 0 ? g[i] : nesterov ? g[i] + momentum * velocity![i] : velocity![i]);
        });
    }

    [Theory]
    [InlineData(false, 0, false, false)]
    [InlineData(false, 0.1, false, false)]
    [InlineData(true, 0.1, false, false)]
    [InlineData(false, 0, true, false)]
    [InlineData(true, 0.01, true, true)]
    public void Adam_WithOptions_FollowsTheFormula(bool decoupled, double decay, bool amsgrad, bool maximize)
    {
        var m = new double[3];
        var v = new double[3];
        var largest = new double[3];
        Run(p => decoupled ? optim.AdamW(p, 0.05, 0.8, 0.95, 1e-6, decay, amsgrad, maximize) : optim.Adam(p, 0.05, 0.8, 0.95, 1e-6, decay, amsgrad, maximize), (p, g, t) =>
        {
            for (var i = 0; i < p.Length; i++)
            {
                var e = maximize ? -g[i] : g[i];
                if (decoupled) p[i] *= 1 - 0.05 * decay;
                else e += decay * p[i];
                m[i] = 0.8 * m[i] + 0.2 * e;
                v[i] = 0.95 * v[i] + 0.05 * e * e;
                largest[i] = Math.Max(largest[i], v[i]);
                var root = Math.Sqrt((amsgrad ? largest[i] : v[i]) / (1 - Math.Pow(0.95, t))) + 1e-6;
                p[i] -= 0.05 * (m[i] / (1 - Math.Pow(0.8, t))) / root;
            }
        });
    }

    [Fact]
    public void ParameterGroups_WithTheirOwnRates_MoveByThem()
    {
        using var a = nn.Parameter(ones(1));
        using var b = nn.Parameter(ones(1));
        using var c = nn.Parameter(ones(1));
        using var optimizer = optim.SGD([new SGD.ParamGroup([a], 0.5), new SGD.ParamGroup { Parameters = [b] }], 0.25);
        optimizer.add_param_group(new SGD.ParamGroup([c], 2));
        using (var loss = (a + b + c).sum()) loss.backward();
        optimizer.step();
        a.ShouldBeClose([0.5]);
        b.ShouldBeClose([0.75]);
        c.ShouldBeClose([-1]);
        optimizer.ParamGroups.Select(g => g.LearningRate).ShouldBe([0.5, 0.25, 2]);
    }

    [Fact]
    public void Step_WithoutAGradient_LeavesTheParameter()
    {
        using var a = nn.Parameter(ones(2));
        using var b = nn.Parameter(ones(2));
        using var optimizer = optim.AdamW([a, b], 0.1);
        a.sum().backward();
        optimizer.step();
        b.ShouldBeClose([1, 1], 0);
        nn.functional.mse_loss(a, b).item<float>().ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Step_WithAClosure_EvaluatesItAndGivesItsLoss()
    {
        using var a = nn.Parameter(ones(1) * 3);
        using var optimizer = optim.SGD([a], 0.1);
        var loss = optimizer.step(() =>
        {
            optimizer.zero_grad();
            var value = a.pow(2).sum();
            value.backward();
            return value;
        });
        loss.ShouldNotBeNull().item<float>().ShouldBe(9);
        a.ShouldBeClose([3 - 0.1 * 6]);
    }

    [Theory]
    [InlineData("sgd")]
    [InlineData("adam")]
    [InlineData("adamw")]
    public void SavedState_InAnotherOptimizer_GoesOnBitForBit(string kind)
    {
        optim.Optimizer Make(Parameter p) => kind switch
        {
            "sgd" => optim.SGD([p], 0.1, 0.9),
            "adam" => optim.Adam([p], 0.1, amsgrad: true),
            _ => optim.AdamW([p], 0.1, weight_decay: 0.1),
        };
        using var a = nn.Parameter(Numbers.Wave([5]));
        using var first = (OptimizerHelper)Make(a);
        for (var i = 0; i < 3; i++) Descend(first, a, i);
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, true)) first.save_state_dict(writer);

        using var b = nn.Parameter(a.detach().clone());
        using var second = (OptimizerHelper)Make(b);
        stream.Position = 0;
        using (var reader = new BinaryReader(stream)) second.load_state_dict(reader);
        using var c = nn.Parameter(a.detach().clone());
        using var third = (OptimizerHelper)Make(c);
        third.load_state_dict(first.state_dict());
        for (var i = 3; i < 6; i++)
        {
            Descend(first, a, i);
            Descend(second, b, i);
            Descend(third, c, i);
        }
        b.ShouldBeClose(a, 0);
        c.ShouldBeClose(a, 0);
    }

    [Fact]
    public void ZeroGrad_BetweenSteps_KeepsGradientsFromAddingUp()
    {
        using var a = nn.Parameter(ones(1));
        using var optimizer = optim.SGD([a], 1);
        for (var i = 0; i < 3; i++)
        {
            optimizer.zero_grad();
            (a * 2).sum().backward();
            a.grad!.ShouldBeClose([2]);
        }
    }

    private static void Descend(optim.Optimizer optimizer, Parameter parameter, int index)
    {
        optimizer.zero_grad();
        using var scope = NewDisposeScope();
        (parameter.pow(2) * Numbers.Wave(parameter.shape, index)).sum().backward();
        optimizer.step();
    }

    // The parameter of three elements gets the gradient of sum(w_t p^2), w_t a wave of the step.
    private static void Run(Func<Parameter[], optim.Optimizer> make, Action<double[], double[], int> formula)
    {
        using var parameter = nn.Parameter(Numbers.Wave([3], 0, ScalarType.Float64));
        var expected = Numbers.Values(parameter);
        using var optimizer = make([parameter]);
        for (var t = 1; t <= Steps; t++)
        {
            var wave = Numbers.Wave(3, t);
            optimizer.zero_grad();
            using (NewDisposeScope()) (parameter.pow(2) * tensor(wave, ScalarType.Float64)).sum().backward();
            optimizer.step();
            formula(expected, expected.Zip(wave, (p, w) => 2 * w * p).ToArray(), t);
            parameter.ShouldBeClose(expected, 1e-9);
        }
    }
}
