using Mesh.Training.Optimisation;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Optimisation;

public sealed class ScheduleTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(50, 0.5)]
    [InlineData(100, 1)]
    [InlineData(5000, 1)]
    public void Rate_WithWarmup_RisesFromZeroAndStays(long images, double share) => new LearningRate(0.2, 100).At(images).ShouldBe(0.2 * share, 1e-12);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(500, 0.55)]
    [InlineData(1000, 0.1)]
    [InlineData(2000, 0.1)]
    public void Rate_AlongACosine_FallsToItsEnd(long images, double share) =>
        new LearningRate(2, Shape: RateShape.Cosine, TotalImages: 1000, EndShare: 0.1).At(images).ShouldBe(2 * share, 1e-12);

    [Fact]
    public void Decay_Ramped_BeginsAtZeroAndRisesToItsEnd()
    {
        var decay = new EmaDecay(0.9, Ramped: true);

        decay.At(1).ShouldBe(0);
        decay.At(2).ShouldBe(2.0 / 11, 1e-12);
        decay.At(1000).ShouldBe(0.9);
    }

    [Fact]
    public void Step_WithInfiniteGradients_ChangesNothing()
    {
        using var layer = nn.Linear(3, 1);
        using var before = layer.weight!.detach().clone();
        using var optimiser = new Optimiser(layer.named_parameters().Select(p => (p.Item1, p.Item2)), new OptimiserConfig());
        (layer.call(ones(1, 3)) * float.PositiveInfinity).sum().backward();

        double.IsFinite(optimiser.Step(0.1)).ShouldBeFalse();

        layer.weight!.eq(before).all().item<bool>().ShouldBeTrue();
    }
}
