using TorchSharp;
using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class AutogradTests
{
    public static TheoryData<string> Names => [.. Functions.Keys];

    private static Dictionary<string, Func<torch.Tensor, torch.Tensor>> Functions => new()
    {
        ["exp"] = x => x.exp(),
        ["log"] = x => (x * x + 1).log(),
        ["tanh"] = x => x.tanh(),
        ["sigmoid"] = x => x.sigmoid(),
        ["silu"] = x => x.silu(),
        ["gelu"] = x => x.gelu(),
        ["sqrt"] = x => (x * x + 1).sqrt(),
        ["pow"] = x => (x * x + 1).pow(1.3),
        ["division"] = x => 1 / (x * x + 2),
        ["softmax"] = x => x.reshape(2, 3).softmax(1) * arange(6, dtype: float64).reshape(2, 3),
        ["logsumexp"] = x => x.logsumexp(0),
        ["matmul"] = x => x.reshape(2, 3).matmul(x.reshape(3, 2)),
        ["mean"] = x => x.mean() * x,
        ["variance"] = x => x.var(),
        ["norm"] = x => x.norm(2f),
        ["max"] = x => x.max() * x,
        ["cat"] = x => cat([x, x * x]),
        ["indexing"] = x => x[1..4] * x[TensorIndex.Slice(0, 6, 2)],
        ["gather"] = x => x.gather(0, tensor(new long[] { 0, 0, 5 })).pow(2),
        ["where"] = x => where(x > 0, x * x, x * 3),
        ["cumsum"] = x => x.cumsum(0).pow(2),
        ["transpose"] = x => x.reshape(2, 3).t().matmul(x.reshape(2, 3)),
        ["einsum"] = x => einsum("i,j->ij", x, x),
        ["clamp"] = x => x.clamp(-0.5, 0.5) * x,
        ["masked_fill"] = x => x.masked_fill(x > 0.5, 0) * x,
        ["solve"] = x => linalg.solve(x[..4].reshape(2, 2) + 3 * eye(2, dtype: float64), x[4..]),
        ["fft"] = x => fft.rfft(x).abs(),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradient_OfEachFunction_MatchesFiniteDifferences(string name)
    {
        using var scope = NewDisposeScope();
        var function = Functions[name];
        double[] at = [0.3, -0.8, 1.1, -0.2, 0.7, -1.4];
        var x = tensor(at, requires_grad: true);
        var y = function(x);
        // Weigh the outputs, so that no part of the Jacobian cancels.
        var weights = Counting(y.shape);
        (y * weights).sum().backward();
        const double h = 1e-6;
        var expected = new double[at.Length];
        for (var i = 0; i < at.Length; i++)
        {
            double Value(double offset) => (function(tensor(at.Select((a, j) => j == i ? a + offset : a).ToArray())) * weights).sum().item<double>();
            expected[i] = (Value(h) - Value(-h)) / (2 * h);
        }
        x.grad!.ShouldBeClose(expected, 1e-7);
    }

    [Fact]
    public void SecondDerivative_ThroughCreateGraph_IsExact()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2, 3 }, requires_grad: true);
        var first = autograd.grad([x.pow(4).sum()], [x], create_graph: true)[0];
        first.ShouldBeClose([4, 32, 108]);
        var second = autograd.grad([first.sum()], [x])[0];
        second.ShouldBeClose([12, 48, 108]);
    }

    [Fact]
    public void Backward_CalledTwice_SumsGradients()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 }, requires_grad: true);
        (x * x).sum().backward();
        (x * 3).sum().backward();
        x.grad!.ShouldBeClose([5, 7]);
        x.grad = null;
        x.grad.ShouldBeNull();
    }

    [Fact]
    public void Backward_WithAGivenGradient_WeighsTheOutputs()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 }, requires_grad: true);
        (x * x).backward([Doubles(10, 100)]);
        x.grad!.ShouldBeClose([20, 400]);
    }

    [Fact]
    public void Grad_WithUnusedInput_IsAnErrorOrNull()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1 }, requires_grad: true);
        var unused = tensor(new double[] { 1 }, requires_grad: true);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => autograd.grad([(x * 2).sum()], [x, unused]));
        var grads = autograd.grad([(x * 2).sum()], [x, unused], allow_unused: true);
        grads[0].item<double>().ShouldBe(2);
    }

    [Fact]
    public void NoGrad_StopsRecording_UntilItIsDisposedOf()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1 }, requires_grad: true);
        using (no_grad())
        {
            is_grad_enabled().ShouldBeFalse();
            (x * 2).requires_grad.ShouldBeFalse();
            using (enable_grad()) (x * 2).requires_grad.ShouldBeTrue();
        }
        is_grad_enabled().ShouldBeTrue();
        (x * 2).requires_grad.ShouldBeTrue();
        x.detach().requires_grad.ShouldBeFalse();
        (x * 2).is_leaf.ShouldBeFalse();
        x.is_leaf.ShouldBeTrue();
    }

    [Fact]
    public void InferenceMode_MakesTensorsThatAutogradRefuses()
    {
        using var scope = NewDisposeScope();
        torch.Tensor made;
        using (inference_mode())
        {
            is_inference_mode_enabled().ShouldBeTrue();
            made = ones(2);
        }
        is_inference_mode_enabled().ShouldBeFalse();
        var x = ones(2, requires_grad: true);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => x * made).Message.ShouldContain("nference");
    }

    [Fact]
    public void InPlaceChange_OfASavedTensor_IsCaughtByBackward()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 }, requires_grad: true);
        var middle = x * 2;
        var y = middle.pow(2).sum();
        middle.add_(1);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => y.backward()).Message.ShouldContain("inplace");
    }

    [Fact]
    public void RetainGrad_KeepsTheGradientOfAMiddleTensor()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 3 }, requires_grad: true);
        var middle = x * 2;
        middle.retain_grad();
        middle.pow(2).sum().backward();
        middle.grad!.item<double>().ShouldBe(12);
    }
}
