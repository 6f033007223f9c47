namespace Mesh.Models.Samplers;

/// <summary>Straight-line flows between noise and image.</summary>
internal static class FlowSamplers
{
    private const double TimeScale = 1000;

    /// <summary>InstaFlow and 2-Rectified Flow: the network predicts image − noise, its time falls from 1000 towards 0.</summary>
    public static SamplerPlan RectifiedFlow(int count)
    {
        var steps = new SamplerStep[count];
        for (var i = 0; i < count; i++)
        {
            var left = 1.0 - ((double)i / count);
            steps[i] = new SamplerStep
            {
                Timestep = TimeScale * left,
                InputScale = 1,
                EstimateFromState = 1,
                EstimateFromOutput = left,
                FromState = 1,
                FromOutput = 1.0 / count,
            };
        }

        return new SamplerPlan(1, steps, []);
    }

    /// <summary>The reference's flow matching: the network predicts noise − image.</summary>
    public static SamplerPlan FlowMatch(SchedulerConfig config, int count)
    {
        var least = Shifted(1.0 / config.TrainTimesteps);
        var sigmas = new double[count + 1];
        for (var i = 0; i < count; i++)
            sigmas[i] = Shifted(count == 1 ? 1 : 1 + ((least - 1) * i / (count - 1)));
        var steps = new SamplerStep[count];
        for (var i = 0; i < count; i++)
        {
            steps[i] = new SamplerStep
            {
                Timestep = sigmas[i] * config.TrainTimesteps,
                Sigma = sigmas[i],
                InputScale = 1,
                EstimateFromState = 1,
                EstimateFromOutput = -sigmas[i],
                FromState = 1,
                FromOutput = sigmas[i + 1] - sigmas[i],
            };
        }

        return new SamplerPlan(1, steps, sigmas);

        double Shifted(double sigma) => config.Shift * sigma / (1 + ((config.Shift - 1) * sigma));
    }
}
