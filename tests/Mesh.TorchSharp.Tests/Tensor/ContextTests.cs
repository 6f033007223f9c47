using System.Runtime.InteropServices;
using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class ContextTests
{
    [Fact]
    public void Threads_Set_AreWhatIsReported()
    {
        var before = get_num_threads();
        set_num_threads(1);
        get_num_threads().ShouldBe(1);
        set_num_threads(before);
        get_num_threads().ShouldBe(before);
        get_num_interop_threads().ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Cuda_WhereAbsent_IsSaidToBe()
    {
        (cuda.device_count() > 0).ShouldBe(cuda.is_available());
        cuda_is_available().ShouldBe(cuda.is_available());
    }

    [Fact]
    public void ErrorTexts_SayWhatIsWrong()
    {
        using var scope = NewDisposeScope();
        Message(() => ones(2, 3).matmul(ones(2, 3))).ShouldContain("2x3 and 2x3");
        Message(() => ones(2, 3).add(ones(2, 4))).ShouldContain("must match the size of tensor b");
        Message(() => ones(2, 3).view(4)).ShouldContain("shape '[4]' is invalid for input of size 6");
        Message(() => ones(2).sum(dim: 3)).ShouldContain("Dimension out of range");
        Message(() => ones(2).backward()).ShouldContain("does not require grad");
        Message(() => cat([ones(2, 3), ones(2, 4)])).ShouldContain("Sizes of tensors must match");
        Message(() => ones(2).gather(0, tensor(new long[] { 5 }))).ShouldContain("out of bounds");
    }

    [Fact]
    public void TypeQuestions_OfTensorsAndTypes_Agree()
    {
        using var scope = NewDisposeScope();
        is_floating_point(Counting(1)).ShouldBeTrue();
        is_integral(ScalarType.Int32).ShouldBeTrue();
        is_complex(ScalarType.ComplexFloat32).ShouldBeTrue();
        Counting(1).ElementSize.ShouldBe(8);
        ones(1, dtype: float16).element_size().ShouldBe(2);
        finfo(ScalarType.Float16).max.ShouldBe(65504);
        finfo(ScalarType.Float32).eps.ShouldBe(Math.Pow(2, -23));
    }

    private static string Message(Action action) => Should.Throw<ExternalException>(action).Message;
}
