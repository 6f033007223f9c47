using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Mesh.TorchSharp.Tests.Optim;

public sealed class SchedulerTests
{
    private const double Rate = 0.5;

    public static TheoryData<string, Func<Optimizer, lr_scheduler.LRScheduler>, Func<int, double>> Schedules => new()
    {
        { "step", o => lr_scheduler.StepLR(o, 3, 0.5), t => Rate * Math.Pow(0.5, t / 3) },
        { "multistep", o => lr_scheduler.MultiStepLR(o, [2, 5], 0.1), t => Rate * (t < 2 ? 1 : t < 5 ? 0.1 : 0.01) },
        { "exponential", o => lr_scheduler.ExponentialLR(o, 0.9), t => Rate * Math.Pow(0.9, t) },
        { "lambda", o => lr_scheduler.LambdaLR(o, t => 1.0 / (t + 1)), t => Rate / (t + 1) },
        { "multiplicative", o => lr_scheduler.MultiplicativeLR(o, _ => 0.95), t => Rate * Math.Pow(0.95, t) },
        { "constant", o => lr_scheduler.ConstantLR(o, 0.25, 4), t => t < 4 ? Rate * 0.25 : Rate },
        { "linear", o => lr_scheduler.LinearLR(o, 0.2, 1, 4), t => Rate * (0.2 + 0.8 * Math.Min(t, 4) / 4) },
        { "polynomial", o => lr_scheduler.PolynomialLR(o, 6, 2), t => Rate * Math.Pow(1 - Math.Min(t, 6) / 6.0, 2) },
        { "cosine", o => lr_scheduler.CosineAnnealingLR(o, 10, 0.1), t => 0.1 + (Rate - 0.1) * (1 + Math.Cos(Math.PI * t / 10)) / 2 },
    };

    [Theory]
    [MemberData(nameof(Schedules))]
    public void Schedule_StepByStep_FollowsItsFormula(string name, Func<Optimizer, lr_scheduler.LRScheduler> make, Func<int, double> formula)
    {
        using var parameter = nn.Parameter(ones(1));
        using var optimizer = SGD([parameter], Rate);
        var scheduler = make(optimizer);
        for (var t = 0; t < 10; t++)
        {
            optimizer.ParamGroups.Single().LearningRate.ShouldBe(formula(t), 1e-12, $"{name} at {t}");
            scheduler.get_last_lr().Single().ShouldBe(formula(t), 1e-12);
            scheduler.step();
        }
    }

    [Fact]
    public void OneCycle_GoesUpAndDown_AndMomentumTheOtherWay()
    {
        using var parameter = nn.Parameter(ones(1));
        using var optimizer = AdamW([parameter], Rate);
        var scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps: 20, pct_start: 0.25, div_factor: 10, final_div_factor: 100);
        var rates = new List<double>();
        for (var t = 0; t < 20; t++)
        {
            rates.Add(optimizer.ParamGroups.Single().LearningRate);
            if (t < 19) scheduler.step();
        }
        rates[0].ShouldBe(0.1, 1e-12);
        rates[4].ShouldBe(1, 1e-12);
        rates[19].ShouldBe(0.001, 1e-12);
        rates[2].ShouldBe(1 + (0.1 - 1) / 2 * (1 + Math.Cos(Math.PI * 2 / 4)), 1e-12);
        rates[9].ShouldBe(0.001 + (1 - 0.001) / 2 * (1 + Math.Cos(Math.PI * 5 / 15)), 1e-12);
    }

    [Fact]
    public void Sequence_AfterItsMilestone_GoesOnWithTheNext()
    {
        using var parameter = nn.Parameter(ones(1));
        using var optimizer = SGD([parameter], Rate);
        var warm = lr_scheduler.LinearLR(optimizer, 0.5, 1, 2);
        var decay = lr_scheduler.ExponentialLR(optimizer, 0.5);
        var scheduler = lr_scheduler.SequentialLR(optimizer, [warm, decay], [2]);
        for (var t = 0; t < 2; t++) scheduler.step();
        var before = optimizer.ParamGroups.Single().LearningRate;
        before.ShouldBe(Rate, 1e-12);
        scheduler.step();
        optimizer.ParamGroups.Single().LearningRate.ShouldBe(before / 2, 1e-12);
    }

    [Fact]
    public void Groups_WithTheirOwnRates_AreScaledAlike()
    {
        using var a = nn.Parameter(ones(1));
        using var b = nn.Parameter(ones(1));
        using var optimizer = SGD([new global::TorchSharp.Modules.SGD.ParamGroup([a], 1), new([b], 2)], Rate);
        var scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5);
        scheduler.step();
        optimizer.ParamGroups.Select(g => g.LearningRate).ShouldBe([0.5, 1]);
    }
}
