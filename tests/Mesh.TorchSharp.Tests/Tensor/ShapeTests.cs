using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class ShapeTests
{
    [Fact]
    public void Views_ShareMemory_AndCopiesDoNot()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3);
        x.view(3, 2)[0, 1] = tensor(20.0);
        x.ShouldBeClose([1, 20, 3, 4, 5, 6]);
        x.clone()[0, 0] = tensor(-1.0);
        x[0, 0].item<double>().ShouldBe(1);
    }

    [Fact]
    public void PermuteAndTranspose_MoveElements()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3);
        x.t().ShouldBeClose([1, 4, 2, 5, 3, 6]);
        x.transpose(0, 1).ShouldHaveShape(3, 2);
        x.T.is_contiguous().ShouldBeFalse();
        x.T.contiguous().is_contiguous().ShouldBeTrue();
        Counting(2, 3, 4).permute(2, 0, 1).ShouldHaveShape(4, 2, 3);
        Counting(2, 3, 4).permute(2, 0, 1)[1, 1, 2].item<double>().ShouldBe(1 + 1 * 12 + 2 * 4 + 1);
        x.T.stride().ShouldBe([1, 3]);
        Counting(2, 3, 4).movedim([0], [2]).ShouldHaveShape(3, 4, 2);
    }

    [Fact]
    public void ReshapesOfEveryKind_GiveTheShapesAsked()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3, 4);
        x.reshape(6, -1).ShouldHaveShape(6, 4);
        x.flatten(1).ShouldHaveShape(2, 12);
        x.flatten().ShouldHaveShape(24);
        x.unsqueeze(0).ShouldHaveShape(1, 2, 3, 4);
        x.unsqueeze(-1).squeeze(-1).ShouldHaveShape(2, 3, 4);
        x.unsqueeze(0).unsqueeze(0).squeeze().ShouldHaveShape(2, 3, 4);
        x.unflatten(2, 2, 2).ShouldHaveShape(2, 3, 2, 2);
        x.sum(0, keepdim: true).expand(5, 3, 4).ShouldHaveShape(5, 3, 4);
        x.repeat(1, 2, 1).ShouldHaveShape(2, 6, 4);
        x.narrow(2, 1, 2).ShouldHaveShape(2, 3, 2);
        x.broadcast_to(3, 2, 3, 4).ShouldHaveShape(3, 2, 3, 4);
        x.dim().ShouldBe(3);
        x.numel().ShouldBe(24);
        x.size(-1).ShouldBe(4);
    }

    [Fact]
    public void JoinsAndSplits_AreInverse()
    {
        using var scope = NewDisposeScope();
        var x = Counting(4, 3);
        cat(x.chunk(2)).Equals(x).ShouldBeTrue();
        cat(x.split([1, 3]), 0).Equals(x).ShouldBeTrue();
        x.split(3).Select(part => part.size(0)).ShouldBe([3, 1]);
        stack(x.unbind(1), 1).Equals(x).ShouldBeTrue();
        x.tensor_split(3).Select(part => part.size(0)).ShouldBe([2, 1, 1]);
        cat([x, x], 1).ShouldHaveShape(4, 6);
        stack([x, x, x]).ShouldHaveShape(3, 4, 3);
        vstack(new[] { x, x }).ShouldHaveShape(8, 3);
        hstack(x, x).ShouldHaveShape(4, 6);
    }

    [Fact]
    public void FlipRollAndTriangles_MatchHandWork()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3);
        x.flip(1).ShouldBeClose([3, 2, 1, 6, 5, 4]);
        x.roll(1, 1).ShouldBeClose([3, 1, 2, 6, 4, 5]);
        x.roll([1, 1], [0, 1]).ShouldBeClose([6, 4, 5, 3, 1, 2]);
        Counting(3, 3).tril().ShouldBeClose([1, 0, 0, 4, 5, 0, 7, 8, 9]);
        Counting(3, 3).triu(1).ShouldBeClose([0, 2, 3, 0, 0, 6, 0, 0, 0]);
        Counting(3, 3).diagonal().ShouldBeClose([1, 5, 9]);
        diag(Counting(2)).ShouldBeClose([1, 0, 0, 2]);
        Counting(2, 2).rot90().ShouldBeClose([2, 4, 1, 3]);
        Counting(3).repeat_interleave(2).ShouldBeClose([1, 1, 2, 2, 3, 3]);
        Counting(5).unfold(0, 3, 2).ShouldBeClose([1, 2, 3, 3, 4, 5]);
    }

    [Fact]
    public void GatherScatterSelect_PickByIndex()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3);
        var index = tensor(new long[] { 2, 0, 1, 1 }, 2, 2);
        x.gather(1, index).ShouldBeClose([3, 1, 5, 5]);
        zeros(2, 3, float64).scatter(1, index, Counting(2, 2)).ShouldBeClose([2, 0, 1, 0, 4, 0]);
        zeros(2, 3, float64).scatter_add(1, index, Counting(2, 2)).ShouldBeClose([2, 0, 1, 0, 7, 0]);
        x.index_select(1, tensor(new long[] { 2, 0 })).ShouldBeClose([3, 1, 6, 4]);
        x.select(0, 1).ShouldBeClose([4, 5, 6]);
        x.take(tensor(new long[] { 5, 0 })).ShouldBeClose([6, 1]);
        x.masked_fill(x > 4, 0).ShouldBeClose([1, 2, 3, 4, 0, 0]);
        x.masked_select(x > 4).ShouldBeClose([5, 6]);
        (x > 4).nonzero().data<long>().ToArray().ShouldBe([1, 1, 1, 2]);
        x.index_add(0, tensor(new long[] { 1 }), Counting(1, 3), 2).ShouldBeClose([1, 2, 3, 6, 9, 12]);
    }

    [Fact]
    public void Meshgrid_OfTwoAxes_RunsTheFirstDown()
    {
        using var scope = NewDisposeScope();
        var grid = meshgrid([Counting(2), Counting(3)]);
        grid[0].ShouldBeClose([1, 1, 1, 2, 2, 2]);
        grid[1].ShouldBeClose([1, 2, 3, 1, 2, 3]);
        meshgrid([Counting(2), Counting(3)], indexing: "xy")[0].ShouldHaveShape(3, 2);
    }

    [Fact]
    public void BroadcastShapes_OfCompatibleShapes_AreTheLargest()
    {
        broadcast_shapes([2, 1, 4], [3, 1]).Shape.ShouldBe([2, 3, 4]);
    }
}
