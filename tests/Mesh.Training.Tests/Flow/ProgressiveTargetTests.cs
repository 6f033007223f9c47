using Mesh.Training.Flow;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Flow;

public sealed class ProgressiveTargetTests
{
    [Fact]
    public void Flow_OfAField_LeadsInOneStepWhereTheTeacherComesInTwo()
    {
        using var noise = randn(3, 2, 4, 4);
        static Tensor Field(Tensor z, Tensor time) => (z * -0.7) + (time.reshape(-1, 1, 1, 1) / 500);
        using var two = EulerPath.Run(noise, 2, Field);

        using var velocity = ProgressiveTarget.Flow(noise, zeros(3), 1, (z, tau) => Field(z, FlowPath.UNetTime(tau)));

        using var one = FlowPath.OneStep(noise, velocity);
        one.allclose(two.End, 1e-5, 1e-5).ShouldBeTrue();
    }

    [Fact]
    public void Flow_InTheMiddle_IsThePictureThatTheGeneralRuleAsksFor()
    {
        const double Tau = 0.5;
        using var state = randn(2, 2, 4, 4);
        static Tensor Field(Tensor z, Tensor tau) => z.sin() * (tau.reshape(-1, 1, 1, 1) + 1);
        // Two teacher steps of 1/8 with the student's four.
        using var middle = state + (Field(state, full(2, Tau)) / 8);
        using var end = middle + (Field(middle, full(2, Tau + 0.125)) / 8);

        using var velocity = ProgressiveTarget.Flow(state, full(2, Tau), 4, Field);

        using var picture = ProgressiveTarget.Picture(state, end, new DiffusionPoint(Tau, 1 - Tau), new DiffusionPoint(Tau + 0.25, 1 - Tau - 0.25));
        using var led = state + (velocity * (1 - Tau));
        led.allclose(picture, 1e-4, 1e-5).ShouldBeTrue();
    }
}
