using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

public sealed class InitTests
{
    [Fact]
    public void NewLayers_AreUniformWithinTheirBound()
    {
        using var linear = Linear(100, 400);
        Values(linear.weight).Max().ShouldBeInRange(0.099, 0.1);
        Values(linear.weight).Min().ShouldBeInRange(-0.1, -0.099);
        Values(linear.bias!).Max().ShouldBeInRange(0.09, 0.1);
        using var conv = Conv2d(16, 64, 5, groups: 4);
        var bound = 1 / Math.Sqrt(4 * 25);
        Values(conv.weight).Max().ShouldBeInRange(0.99 * bound, bound);
        Values(conv.weight).Average().ShouldBe(0, 0.003);
        using var norm = GroupNorm(2, 4);
        Values(norm.weight!).ShouldBe([1, 1, 1, 1]);
        Values(norm.bias!).ShouldBe([0, 0, 0, 0]);
    }

    [Fact]
    public void KaimingAndXavier_HaveTheirDeviations()
    {
        using var weight = torch.empty(200, 300);
        double Deviation() => Math.Sqrt(Values(weight).Average(e => e * e));
        init.kaiming_normal_(weight, nonlinearity: init.NonlinearityType.ReLU);
        Deviation().ShouldBe(Math.Sqrt(2.0 / 300), 0.002);
        init.kaiming_normal_(weight, mode: init.FanInOut.FanOut, nonlinearity: init.NonlinearityType.ReLU);
        Deviation().ShouldBe(Math.Sqrt(2.0 / 200), 0.002);
        init.xavier_normal_(weight);
        Deviation().ShouldBe(Math.Sqrt(2.0 / 500), 0.002);
        init.xavier_uniform_(weight);
        Values(weight).Max().ShouldBe(Math.Sqrt(6.0 / 500), 0.001);
        init.kaiming_uniform_(weight);
        Values(weight).Max().ShouldBe(Math.Sqrt(2) * Math.Sqrt(3.0 / 300), 0.002);
    }

    [Fact]
    public void Constants_FillAndKeepRequiresGrad()
    {
        using var parameter = Parameter(torch.empty(3));
        init.constant_(parameter, 2.5);
        Values(parameter).ShouldBe([2.5, 2.5, 2.5]);
        init.zeros_(parameter);
        Values(parameter).ShouldBe([0, 0, 0]);
        init.ones_(parameter);
        Values(parameter).ShouldBe([1, 1, 1]);
        parameter.requires_grad.ShouldBeTrue();
        using var square = torch.empty(2, 3);
        init.eye_(square);
        Values(square).ShouldBe([1, 0, 0, 0, 1, 0]);
    }

    [Fact]
    public void TruncNormal_StaysWithinBounds()
    {
        using var x = torch.empty(20_000);
        init.trunc_normal_(x, 0.5, 2, -1, 3);
        var values = Values(x);
        values.Min().ShouldBeInRange(-1, -0.98);
        values.Max().ShouldBeInRange(2.98, 3);
        // The mean of the cut-off distribution: mean + std (phi(a) - phi(b)) / (Phi(b) - Phi(a)), with a = -0.75, b = 1.25.
        values.Average().ShouldBe(0.5 + 2 * (0.301137 - 0.182649) / (0.894350 - 0.226627), 0.03);
    }

    [Fact]
    public void Orthogonal_OfAWideMatrix_HasOrthonormalRows()
    {
        using var scope = torch.NewDisposeScope();
        var weight = torch.empty(4, 9);
        init.orthogonal_(weight, 2);
        weight.matmul(weight.t()).ShouldBeClose(torch.eye(4) * 4);
    }

    [Fact]
    public void ClipGradNorm_OfLargeGradients_ScalesThemDown()
    {
        using var a = Parameter(torch.ones(2));
        using var b = Parameter(torch.ones(2));
        ((a * 3).sum() + (b * 4).sum()).backward();
        var norm = utils.clip_grad_norm_([a, b], 1.0);
        norm.ShouldBe(Math.Sqrt(2 * 9 + 2 * 16), 1e-5);
        a.grad!.ShouldBeClose([3 / norm, 3 / norm]);
        b.grad!.ShouldBeClose([4 / norm, 4 / norm]);
        utils.clip_grad_norm_([a, b], 10).ShouldBe(1, 1e-5);
        a.grad!.ShouldBeClose([3 / norm, 3 / norm]);
        utils.clip_grad_value_([a, b], 0.5);
        b.grad!.ShouldBeClose([0.5, 0.5]);
    }

    [Fact]
    public void ParametersToVector_AndBack_KeepOrderAndShapes()
    {
        using var linear = Linear(2, 3);
        using var vector = utils.parameters_to_vector(linear.parameters());
        vector.ShouldBeClose([.. Values(linear.weight), .. Values(linear.bias!)], 0);
        using var next = torch.arange(9, torch.ScalarType.Float32);
        utils.vector_to_parameters(next, linear.parameters());
        Values(linear.weight).ShouldBe([0, 1, 2, 3, 4, 5]);
        Values(linear.bias!).ShouldBe([6, 7, 8]);
    }
}
