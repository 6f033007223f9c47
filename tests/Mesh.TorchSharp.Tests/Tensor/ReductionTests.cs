using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class ReductionTests
{
    [Fact]
    public void SumsAndMeans_OverAxes_MatchHandWork()
    {
        using var scope = NewDisposeScope();
        var x = Counting(2, 3);
        x.sum().item<double>().ShouldBe(21);
        x.sum(dim: 0).ShouldBeClose([5, 7, 9]);
        x.sum(1, keepdim: true).ShouldHaveShape(2, 1);
        Counting(2, 3, 4).sum([0, 2]).ShouldBeClose([68, 100, 132]);
        x.mean().item<double>().ShouldBe(3.5);
        x.mean([1]).ShouldBeClose([2, 5]);
        x.prod().item<double>().ShouldBe(720);
        x.prod(1).ShouldBeClose([6, 120]);
        x.to(float32).sum(type: float64).dtype.ShouldBe(ScalarType.Float64);
        tensor(new long[] { 1, 2 }).sum().dtype.ShouldBe(ScalarType.Int64);
    }

    [Fact]
    public void VarianceAndDeviation_WithAndWithoutBesselsCorrection()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(2, 4, 4, 4, 5, 5, 7, 9);
        x.var(false).item<double>().ShouldBe(4, 1e-14);
        x.var().item<double>().ShouldBe(32.0 / 7, 1e-14);
        x.std(false).item<double>().ShouldBe(2, 1e-14);
        x.reshape(2, 4).var(1).ShouldBeClose([1, 11 / 3.0]);
        x.reshape(2, 4).std(new long[] { 0 }, unbiased: false).ShouldBeClose([1.5, 0.5, 1.5, 2.5]);
        var (deviation, mean) = x.std_mean(false);
        deviation.item<double>().ShouldBe(2, 1e-14);
        mean.item<double>().ShouldBe(5, 1e-14);
    }

    [Fact]
    public void Extremes_WithAndWithoutAxis_KnowTheirPlaces()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(3, 1, 2, 0, 5, 4).reshape(2, 3);
        x.max().item<double>().ShouldBe(5);
        x.min().item<double>().ShouldBe(0);
        x.argmax().item<long>().ShouldBe(4);
        x.argmax(1).data<long>().ToArray().ShouldBe([0, 1]);
        x.argmin(0).data<long>().ToArray().ShouldBe([1, 0, 0]);
        var (values, indexes) = x.max(1);
        values.ShouldBeClose([3, 5]);
        indexes.data<long>().ToArray().ShouldBe([0, 1]);
        x.amax(0).ShouldBeClose([3, 5, 4]);
        x.amin([1], true).ShouldBeClose([1, 0]);
    }

    [Fact]
    public void SortTopkAndMedian_OrderElements()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(3, 1, 2, 5, 4);
        var (sorted, order) = x.sort(descending: true);
        sorted.ShouldBeClose([5, 4, 3, 2, 1]);
        order.data<long>().ToArray().ShouldBe([3, 4, 0, 2, 1]);
        x.argsort().data<long>().ToArray().ShouldBe([1, 2, 0, 4, 3]);
        var (largest, places) = x.topk(2);
        largest.ShouldBeClose([5, 4]);
        places.data<long>().ToArray().ShouldBe([3, 4]);
        x.median().item<double>().ShouldBe(3);
        x.kthvalue(2, 0).Item1.item<double>().ShouldBe(2);
        x.quantile(tensor(new double[] { 0.25, 0.5 })).ShouldBeClose([2, 3]);
    }

    [Fact]
    public void RunningForms_AccumulateAlongAnAxis()
    {
        using var scope = NewDisposeScope();
        var x = Counting(4);
        x.cumsum(0).ShouldBeClose([1, 3, 6, 10]);
        x.cumprod(0).ShouldBeClose([1, 2, 6, 24]);
        Doubles(1, 3, 2).cummax(0).Item1.ShouldBeClose([1, 3, 3]);
        x.diff().ShouldBeClose([1, 1, 1]);
        x.logsumexp(0).item<double>().ShouldBe(Math.Log(Math.E + Math.Exp(2) + Math.Exp(3) + Math.Exp(4)), 1e-14);
        trapezoid(x, 0.5).item<double>().ShouldBe(3.75);
    }

    [Fact]
    public void NormsAndDistances_MatchTheirFormulas()
    {
        using var scope = NewDisposeScope();
        var x = Doubles(3, -4);
        x.norm(2f).item<double>().ShouldBe(5);
        x.norm(1f).item<double>().ShouldBe(7);
        linalg.norm(x).item<double>().ShouldBe(5);
        linalg.vector_norm(x, double.PositiveInfinity).item<double>().ShouldBe(4);
        Counting(2, 2).norm(1, false, 2).ShouldBeClose([Math.Sqrt(5), 5]);
        cdist(Doubles(0, 0, 3, 4).reshape(2, 2), Doubles(0, 0).reshape(1, 2)).ShouldBeClose([0, 5]);
        x.dist(Doubles(0, 0)).item<double>().ShouldBe(5);
    }

    [Fact]
    public void UniqueCountsAndHistograms_CountOccurrences()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new long[] { 3, 1, 3, 2, 3 });
        var (values, inverse, counts) = x.unique(return_inverse: true, return_counts: true);
        values.data<long>().ToArray().ShouldBe([1, 2, 3]);
        inverse!.data<long>().ToArray().ShouldBe([2, 0, 2, 1, 2]);
        counts!.data<long>().ToArray().ShouldBe([1, 1, 3]);
        bincount(x).data<long>().ToArray().ShouldBe([0, 1, 1, 3]);
        Doubles(0.1, 0.2, 0.9).histc(2, 0, 1).ShouldBeClose([2, 1]);
        bucketize(Doubles(0.5, 1.5), Doubles(1, 2)).data<long>().ToArray().ShouldBe([0, 1]);
        searchsorted(Doubles(1, 3, 5), Doubles(3, 6), right: true).data<long>().ToArray().ShouldBe([2, 3]);
    }
}
