using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class RandomTests
{
    [Fact]
    public void Randn_FromASeed_GivesPyTorchsNumbers()
    {
        // torch.manual_seed(0); torch.randn(4): PyTorch's documented stream for the CPU.
        using var scope = NewDisposeScope();
        using var generator = new Generator(0);
        randn(4, generator: generator).ShouldBeClose([1.5409960746765137, -0.2934289276599884, -2.1787893772125244, 0.5684312582015991], 1e-6);
        using var again = new Generator(0);
        rand(3, generator: again).ShouldBeClose([0.49625658988952637, 0.7682217955589294, 0.08847743272781372], 1e-7);
    }

    [Fact]
    public void Generators_OfTheSameSeed_GiveTheSameStream_AndOfOthersNot()
    {
        using var scope = NewDisposeScope();
        using Generator first = new(42), second = new(42), third = new(43);
        var x = randn(100, generator: first);
        randn(100, generator: second).Equals(x).ShouldBeTrue();
        randn(100, generator: third).Equals(x).ShouldBeFalse();
        first.manual_seed(42);
        randn(100, generator: first).Equals(x).ShouldBeTrue();
        first.initial_seed().ShouldBe(42);
    }

    [Fact]
    public void State_SetBack_RepeatsTheStream()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        randn(10, generator: generator);
        var state = generator.get_state();
        var x = randn(10, generator: generator);
        generator.set_state(state);
        randn(10, generator: generator).Equals(x).ShouldBeTrue();
    }

    [Fact]
    public void Draws_HaveTheMomentsOfTheirDistribution()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        var normal = randn(100_000, dtype: float64, generator: generator);
        normal.mean().item<double>().ShouldBe(0, 0.02);
        normal.std().item<double>().ShouldBe(1, 0.02);
        var uniform = rand(100_000, dtype: float64, generator: generator);
        uniform.mean().item<double>().ShouldBe(0.5, 0.01);
        uniform.min().item<double>().ShouldBeGreaterThanOrEqualTo(0);
        uniform.max().item<double>().ShouldBeLessThan(1);
        var whole = randint(3, 7, new long[] { 10_000 }, generator: generator);
        whole.min().item<long>().ShouldBe(3);
        whole.max().item<long>().ShouldBe(6);
        zeros(100_000, dtype: float64).normal_(2, 3, generator).mean().item<double>().ShouldBe(2, 0.05);
        zeros(100_000, dtype: float64).uniform_(-1, 1, generator).mean().item<double>().ShouldBe(0, 0.02);
        full(new long[] { 100_000 }, 0.3).bernoulli(generator).mean().item<float>().ShouldBe(0.3f, 0.01f);
        zeros(100_000, dtype: float64).exponential_(2, generator).mean().item<double>().ShouldBe(0.5, 0.02);
    }

    [Fact]
    public void PermutationsAndSamples_AreValid()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var permutation = randperm(100, generator: generator);
        permutation.sort().Item1.Equals(arange(100)).ShouldBeTrue();
        permutation.Equals(arange(100)).ShouldBeFalse();
        var drawn = multinomial(Doubles(0, 1, 3), 1000, true, generator);
        var counts = bincount(drawn, minlength: 3).data<long>().ToArray();
        counts[0].ShouldBe(0);
        counts[2].ShouldBeInRange(680, 820);
    }

    [Fact]
    public void RandnLike_TakesShapeAndType()
    {
        using var scope = NewDisposeScope();
        var like = randn_like(zeros(3, 4, float64));
        like.ShouldHaveShape(3, 4);
        like.dtype.ShouldBe(ScalarType.Float64);
        rand_like(like, dtype: float32).dtype.ShouldBe(ScalarType.Float32);
    }
}
