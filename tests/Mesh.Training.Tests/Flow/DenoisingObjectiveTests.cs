using Mesh.Models.Noise;
using Mesh.Models.Samplers;
using Mesh.Training.Flow;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Flow;

public sealed class DenoisingObjectiveTests
{
    private static readonly SchedulerConfig Schedule = new() { Kind = SamplerKind.Ddim, BetaStart = 0.00085, BetaEnd = 0.012, ScaledBetas = true };

    [Theory]
    [InlineData(Prediction.Epsilon)]
    [InlineData(Prediction.Velocity)]
    [InlineData(Prediction.Sample)]
    public void Diffusion_TargetAndState_GiveBackTheLatent(Prediction prediction)
    {
        using var scope = NewDisposeScope();
        var (noise, latent, time) = (randn([3, 4, 2, 2]), randn([3, 4, 2, 2]), tensor(new[] { 0f, 500f, 999f }));

        var asked = new DenoisingObjective(Schedule with { Prediction = prediction }).Of(noise, latent, time);

        var schedule = new NoiseSchedule(Schedule);
        for (var i = 0; i < 3; i++)
        {
            var alpha = schedule.Alpha((int)time[i].item<float>());
            var (a, s) = (Math.Sqrt(alpha), Math.Sqrt(1 - alpha));
            var picture = prediction switch
            {
                Prediction.Epsilon => (asked.State[i] - (s * asked.Target[i])) / a,
                Prediction.Velocity => (a * asked.State[i]) - (s * asked.Target[i]),
                _ => asked.Target[i],
            };
            (picture - latent[i]).abs().max().item<float>().ShouldBeLessThan(2e-5f, "float32 after a division by a of 0.07 at the least");
            ((a * latent[i]) + (s * noise[i]) - asked.State[i]).abs().max().item<float>().ShouldBeLessThan(1e-6f);
        }

        asked.Time.Equals(time).ShouldBeTrue();
        DenoisingObjective.Loss(asked, asked.Target).abs().max().item<float>().ShouldBe(0);
    }

    [Fact]
    public void Diffusion_WithABoundedRatio_WeighsAsOfThePicture()
    {
        using var scope = NewDisposeScope();
        var time = tensor(new[] { 5f, 300f, 990f });
        var (noise, latent) = (randn([3, 1, 2, 2]), randn([3, 1, 2, 2]));
        var epsilon = new DenoisingObjective(Schedule, 5).Of(noise, latent, time);
        var velocity = new DenoisingObjective(Schedule with { Prediction = Prediction.Velocity }, 5).Of(noise, latent, time);

        var schedule = new NoiseSchedule(Schedule);
        for (var i = 0; i < 3; i++)
        {
            var alpha = schedule.Alpha((int)time[i].item<float>());
            var ratio = alpha / (1 - alpha);
            epsilon.Weight![i].item<float>().ShouldBe((float)(Math.Min(ratio, 5) / ratio), 1e-4f);
            velocity.Weight![i].item<float>().ShouldBe((float)(Math.Min(ratio, 5) / (ratio + 1)), 1e-4f);
        }
    }

    [Fact]
    public void Draw_OfDiffusion_CoversTheSchedule()
    {
        using var steps = new DenoisingObjective(Schedule).Draw(new TorchGenerator(1), 20000);

        var values = steps.data<float>().ToArray();
        (values.Min(), values.Max()).ShouldBe((0f, 999f));
        values.Average().ShouldBe(499.5f, 10f);
        values.ShouldAllBe(v => v == MathF.Floor(v));
    }

    [Fact]
    public void Flow_AtPureNoise_IsAskedAtAThousand()
    {
        using var scope = NewDisposeScope();
        var (noise, latent) = (randn([2, 1, 2, 2]), randn([2, 1, 2, 2]));

        var asked = new DenoisingObjective(new FlowTimes(TimeLaw.Noise)).Of(noise, latent, zeros([2]));

        asked.State.Equals(noise).ShouldBeTrue();
        asked.Time.data<float>().ToArray().ShouldBe([1000f, 1000f]);
        DenoisingObjective.Loss(asked, latent - noise).abs().max().item<float>().ShouldBe(0);
    }
}
