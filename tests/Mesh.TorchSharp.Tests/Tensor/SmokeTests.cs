using TorchSharp;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class SmokeTests
{
    [Fact]
    public void Arithmetic_OfSmallTensors_IsExact()
    {
        using var scope = torch.NewDisposeScope();
        var a = torch.tensor(new float[] { 1, 2, 3, 4 }, new long[] { 2, 2 });
        var b = torch.ones(2, 2) * 2 + a;
        b.data<float>().ToArray().ShouldBe([3f, 4f, 5f, 6f]);
        a.matmul(a).data<float>().ToArray().ShouldBe([7f, 10f, 15f, 22f]);
        torch.arange(5).sum().item<long>().ShouldBe(10);
        a[0, 1].item<float>().ShouldBe(2);
        a[.., 1].data<float>().ToArray().ShouldBe([2f, 4f]);
    }

    [Fact]
    public void Mul_OfMismatchedShapes_SaysWhy()
    {
        using var a = torch.ones(2, 3);
        using var b = torch.ones(4, 5);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => a.mul(b)).Message.ShouldContain("must match the size");
    }
}
