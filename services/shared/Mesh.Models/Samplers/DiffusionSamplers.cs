namespace Mesh.Models.Samplers;

/// <summary>Samplers on a variance-preserving state x = a·x0 + s·ε with a = √ā, s = √(1 − ā).</summary>
internal static class DiffusionSamplers
{
    private const double DataDeviation = 0.5;

    /// <summary>Song et al. 2021, "Denoising diffusion implicit models".</summary>
    public static SamplerPlan Ddim(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        var schedule = new NoiseSchedule(config);
        var stride = config.TrainTimesteps / timesteps.Count;
        var steps = new SamplerStep[timesteps.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var t = (int)timesteps[i];
            var now = schedule.Alpha(t);
            var then = t >= stride ? schedule.Alpha(t - stride) : config.AlphaToOne ? 1 : schedule.Alpha(0);
            var sigma = config.Eta == 0 ? 0 : config.Eta * Math.Sqrt((1 - then) / (1 - now) * (1 - (now / then)));
            var (x0, eps) = Split(config.Prediction, now);
            var direction = Math.Sqrt(Math.Max(0, 1 - then - (sigma * sigma)));
            steps[i] = new SamplerStep
            {
                Timestep = t,
                InputScale = 1,
                EstimateFromState = x0.State,
                EstimateFromOutput = x0.Output,
                FromState = direction * eps.State,
                FromOutput = direction * eps.Output,
                FromEstimate = Math.Sqrt(then),
                Noise = sigma,
            };
        }

        return new SamplerPlan(1, steps, []);
    }

    /// <summary>Luo et al. 2023, "Latent consistency models": the estimate, then fresh noise down to the next timestep.</summary>
    public static SamplerPlan Lcm(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        var schedule = new NoiseSchedule(config);
        var steps = new SamplerStep[timesteps.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var t = (int)timesteps[i];
            var (x0, _) = Split(config.Prediction, schedule.Alpha(t));
            var scaled = t * config.TimestepScaling;
            var variance = (scaled * scaled) + (DataDeviation * DataDeviation);
            var (skip, keep) = (DataDeviation * DataDeviation / variance, scaled / Math.Sqrt(variance));
            var then = i == steps.Length - 1 ? 1 : schedule.Alpha((int)timesteps[i + 1]);
            steps[i] = new SamplerStep
            {
                Timestep = t,
                InputScale = 1,
                EstimateFromState = x0.State,
                EstimateFromOutput = x0.Output,
                FromState = Math.Sqrt(then) * skip,
                FromEstimate = Math.Sqrt(then) * keep,
                Noise = Math.Sqrt(1 - then),
            };
        }

        return new SamplerPlan(1, steps, []);
    }

    /// <summary>Zheng et al. 2024, "Trajectory consistency distillation": a step below the next timestep, then fresh noise up to it.</summary>
    public static SamplerPlan Tcd(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        var schedule = new NoiseSchedule(config);
        var steps = new SamplerStep[timesteps.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var t = (int)timesteps[i];
            var last = i == steps.Length - 1;
            var next = last ? 0 : (int)timesteps[i + 1];
            var low = schedule.Alpha((int)Math.Floor((1 - config.Eta) * next));
            var (x0, eps) = Split(config.Prediction, schedule.Alpha(t));
            var share = last || config.Eta == 0 ? 1 : schedule.Alpha(next) / low;
            var direction = Math.Sqrt(share) * Math.Sqrt(1 - low);
            steps[i] = new SamplerStep
            {
                Timestep = t,
                InputScale = 1,
                EstimateFromState = x0.State,
                EstimateFromOutput = x0.Output,
                FromState = direction * eps.State,
                FromOutput = direction * eps.Output,
                FromEstimate = Math.Sqrt(share) * Math.Sqrt(low),
                Noise = Math.Sqrt(1 - share),
            };
        }

        return new SamplerPlan(1, steps, []);
    }

    /// <summary>The clean sample and the noise as sums of state and output, at a given ā.</summary>
    public static ((double State, double Output) Clean, (double State, double Output) Noise) Split(Prediction prediction, double alpha)
    {
        var (a, s) = (Math.Sqrt(alpha), Math.Sqrt(1 - alpha));
        return prediction switch
        {
            Prediction.Epsilon => ((1 / a, -s / a), (0, 1)),
            Prediction.Velocity => ((a, -s), (s, a)),
            _ => ((0, 1), (1 / s, -a / s)),
        };
    }
}
