using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class MemoryTestsAlone;

/// <summary>Runs by itself, since it looks at the whole process.</summary>
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests
{
    private const long Mebibyte = 1 << 20;

    [Fact]
    public void HundredThousandOperators_InScopes_LeaveNothingBehind()
    {
        Operators(20_000);
        Settle();
        var tensors = torch.Tensor.TotalCount;
        var memory = Resident();

        Operators(100_000);

        Settle();
        torch.Tensor.TotalCount.ShouldBe(tensors);
        // A tensor of a hundred bytes a call would be 10 MiB; what the collector keeps for itself is less than this.
        (Resident() - memory).ShouldBeLessThan(8 * Mebibyte);
    }

    [Fact]
    public void FailingOperators_LeaveNothingBehind()
    {
        using var a = ones(2, 3);
        using var b = ones(4, 5);
        Fail(a, b, 500);
        Settle();
        var tensors = torch.Tensor.TotalCount;
        var memory = Resident();

        Fail(a, b, 5_000);

        Settle();
        torch.Tensor.TotalCount.ShouldBe(tensors);
        (Resident() - memory).ShouldBeLessThan(8 * Mebibyte);
    }

    [Fact]
    public void ForgottenTensors_AreReleasedByTheCollector()
    {
        Settle();
        var before = torch.Tensor.TotalCount;
        Forget();
        Settle();
        torch.Tensor.TotalCount.ShouldBe(before);
    }

    [Fact]
    public void LargeTensors_DisposedOf_GiveTheirMemoryBack()
    {
        using (ones(64 * Mebibyte / 4)) { }
        Settle();
        var memory = Resident();
        for (var i = 0; i < 20; i++)
        {
            using var scope = NewDisposeScope();
            _ = ones(64 * Mebibyte / 4) + 1;
        }
        (Resident() - memory).ShouldBeLessThan(80 * Mebibyte);
    }

    [Fact]
    public void ManagedArrays_LentToTensors_AreFreedAfterThem()
    {
        var array = Lend();
        Settle();
        array.IsAlive.ShouldBeFalse();
    }

    private static void Operators(int count)
    {
        using var weight = ones(4, 4);
        using var grad = no_grad();
        for (var i = 0; i < count / 10; i++)
        {
            using var scope = NewDisposeScope();
            var x = ones(4, 4);
            var y = x.matmul(weight) + 1;
            var parts = y.chunk(2, 1);
            _ = cat(parts).softmax(1).sum(dim: 0).reshape(2, 1)[.., 0].to(float64);
        }
    }

    private static void Fail(torch.Tensor a, torch.Tensor b, int count)
    {
        for (var i = 0; i < count; i++) Should.Throw<ExternalException>(() => a.matmul(b));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget()
    {
        for (var i = 0; i < 100; i++) _ = ones(10) + 1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Lend()
    {
        var array = new float[1000];
        using var lent = from_array(array);
        lent.sum().item<float>().ShouldBe(0);
        return new WeakReference(array);
    }

    private static void Settle()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
