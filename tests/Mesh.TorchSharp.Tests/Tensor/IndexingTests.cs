using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class IndexingTests
{
    [Fact]
    public void NumbersAndSlices_GiveViewsOfTheRightElements()
    {
        using var scope = NewDisposeScope();
        var x = Counting(3, 4);
        x[1].ShouldBeClose([5, 6, 7, 8]);
        x[-1, -1].item<double>().ShouldBe(12);
        x[TensorIndex.Colon, 1].ShouldBeClose([2, 6, 10]);
        x[1.., ..2].ShouldBeClose([5, 6, 9, 10]);
        x[^1, ..].ShouldBeClose([9, 10, 11, 12]);
        x[TensorIndex.Slice(0, null, 2), TensorIndex.Slice(1, 4, 2)].ShouldBeClose([2, 4, 10, 12]);
        x[TensorIndex.Ellipsis, 0].ShouldBeClose([1, 5, 9]);
        x[TensorIndex.Ellipsis, TensorIndex.None].ShouldHaveShape(3, 4, 1);
        x[TensorIndex.None, 0].ShouldHaveShape(1, 4);
        Counting(2, 3, 4)[1, TensorIndex.Ellipsis, 2].ShouldBeClose([15, 19, 23]);
    }

    [Fact]
    public void TensorsOfIndices_GatherCopies()
    {
        using var scope = NewDisposeScope();
        var x = Counting(3, 4);
        var rows = tensor(new long[] { 2, 0 });
        var columns = tensor(new long[] { 1, 3 });
        x[rows].ShouldBeClose([9, 10, 11, 12, 1, 2, 3, 4]);
        x[TensorIndex.Tensor(rows), TensorIndex.Tensor(columns)].ShouldBeClose([10, 4]);
        x[TensorIndex.Colon, TensorIndex.Tensor(columns)].ShouldBeClose([2, 4, 6, 8, 10, 12]);
        x[TensorIndex.Tensor(rows), 1].ShouldBeClose([10, 2]);
        x[x > 9].ShouldBeClose([10, 11, 12]);
        x[TensorIndex.Tensor(tensor(new[] { true, false, true })), 0].ShouldBeClose([1, 9]);
    }

    [Fact]
    public void Setting_ThroughEveryKindOfIndex_WritesThere()
    {
        using var scope = NewDisposeScope();
        var x = zeros(3, 4, float64);
        x[0] = Counting(4);
        x[1, 2] = tensor(7.0);
        x[2..3, TensorIndex.Slice(0, 4, 3)] = tensor(new double[] { 8, 9 });
        x.ShouldBeClose([1, 2, 3, 4, 0, 0, 7, 0, 8, 0, 0, 9]);
        x[x > 6] = tensor(-1.0);
        x.ShouldBeClose([1, 2, 3, 4, 0, 0, -1, 0, -1, 0, 0, -1]);
        x[TensorIndex.Tensor(tensor(new long[] { 0, 1 })), TensorIndex.Tensor(tensor(new long[] { 0, 0 }))] = tensor(new double[] { 5, 6 });
        x[..2, 0].ShouldBeClose([5, 6]);
        x[TensorIndex.Ellipsis] = tensor(1.0);
        x.sum().item<double>().ShouldBe(12);
    }

    [Fact]
    public void IndexPut_WithAccumulate_Adds()
    {
        using var scope = NewDisposeScope();
        var x = zeros(3, float64);
        x.index_put_(ones(4, float64), [tensor(new long[] { 1, 1, 1, 2 })], true);
        x.ShouldBeClose([0, 3, 1]);
    }

    [Fact]
    public void Index_OutOfRange_IsAnError()
    {
        using var scope = NewDisposeScope();
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => Counting(3)[3]).Message.ShouldContain("index 3");
    }
}
