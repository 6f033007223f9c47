using Mesh.Models.Noise;
using Mesh.Training.Flow;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Flow;

public sealed class FlowTests
{
    [Fact]
    public void At_NoiseAndPicture_IsExactlyEither()
    {
        using var noise = randn(2, 3, 4, 4);
        using var picture = randn(2, 3, 4, 4);
        using var ends = tensor(new[] { 0f, 1f });

        using var at = FlowPath.At(noise, picture, ends);

        at[0].eq(noise[0]).all().item<bool>().ShouldBeTrue();
        at[1].eq(picture[1]).all().item<bool>().ShouldBeTrue();
        FlowPath.UNetTime(ends).data<float>().ToArray().ShouldBe([1000f, 0f]);
    }

    [Fact]
    public void Squared_OfTheTrueVelocity_IsZero()
    {
        using var noise = randn(2, 3, 4, 4);
        using var picture = randn(2, 3, 4, 4);

        Distances.Squared(FlowPath.Velocity(noise, picture) - (picture - noise)).sum().item<float>().ShouldBe(0);
    }

    [Fact]
    public void Run_OfOneStep_IsNoiseAndVelocityAtAThousand()
    {
        using var noise = randn(2, 3, 4, 4);
        var times = new List<float>();

        using var run = EulerPath.Run(noise, 1, (z, t) =>
        {
            times.AddRange(t.data<float>().ToArray());
            return z * 2;
        });

        times.ShouldBe([1000f, 1000f]);
        run.End.allclose(noise * 3).ShouldBeTrue();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(25)]
    public void Run_InAConstantField_IsStraightAndEndsThere(int steps)
    {
        using var noise = randn(2, 3, 4, 4);

        using var run = EulerPath.Run(noise, steps, (z, _) => full_like(z, 0.5f));

        run.End.allclose(noise + 0.5f, 1e-5, 1e-5).ShouldBeTrue();
        run.Straightness.max().item<float>().ShouldBeLessThan(1e-10f);
        run.TransportCost.allclose(full(2, 0.25f), 1e-4, 1e-4).ShouldBeTrue();
    }

    [Fact]
    public void Run_InATurningField_IsNotStraight()
    {
        using var noise = zeros(1, 1, 1, 1);

        using var run = EulerPath.Run(noise, 2, (z, t) => full_like(z, t[0].item<float>() > 600 ? 1f : -1f));

        run.End.item<float>().ShouldBe(0);
        run.Straightness.item<float>().ShouldBe(1);
    }

    [Fact]
    public void Run_OfNoSteps_IsRefused() => Should.Throw<ArgumentOutOfRangeException>(() => EulerPath.Run(zeros(1, 1, 1, 1), 0, (z, _) => z));

    [Fact]
    public void Draw_WithANoiseShare_SetsSoManyToNoise()
    {
        using var times = new FlowTimes(TimeLaw.LogitNormal, NoiseShare: 0.7).Draw(new TorchGenerator(1), 4000);

        times.eq(0).to(ScalarType.Float32).mean().item<float>().ShouldBe(0.7f, 0.03f);
    }

    [Fact]
    public void Draw_ForOneStep_IsAlwaysNoise() => new FlowTimes(TimeLaw.Noise).Draw(new TorchGenerator(1), 8).abs().max().item<float>().ShouldBe(0);

    [Fact]
    public void Huber_OfSmallAndLargeDifferences_PassesFromSquareToStraight()
    {
        using var small = full([1, 16], 1e-4f);
        using var large = full([1, 16], 100f);

        Distances.HuberOfElements(small, 0.1).item<float>().ShouldBe(0.5f * 1e-8f / 0.1f, 2e-8f);
        Distances.HuberOfElements(large, 0.1).item<float>().ShouldBe(99.9f, 0.01f);
        Distances.HuberOfMean(large, 0.1).item<float>().ShouldBe(99.9f, 0.01f);
        Distances.HuberOfNorm(large, 0.1).item<float>().ShouldBe(399.9f, 0.01f);
    }
}
