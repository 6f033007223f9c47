namespace Mesh.Models.Samplers;

/// <summary>Samplers that step over σ = √((1 − ā)/ā).</summary>
internal static class SigmaSamplers
{
    private const double Rho = 7;
    private const int ShortRun = 15;

    /// <summary>Euler steps on y = x0 + σ·ε (Karras et al. 2022, algorithm 2 without churn); the ancestral form adds fresh noise after each.</summary>
    public static SamplerPlan Euler(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        var schedule = new NoiseSchedule(config);
        double[] sigmas = [.. timesteps.Select(schedule.Sigma), 0];
        if (config.Karras)
        {
            Karras(sigmas, sigmas[0], sigmas[^2]);
            timesteps = [.. sigmas[..^1].Select(schedule.Timestep)];
        }

        var steps = new SamplerStep[timesteps.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var (sigma, next) = (sigmas[i], sigmas[i + 1]);
            var up = config.Kind == SamplerKind.EulerAncestral
                ? Math.Sqrt(next * next * ((sigma * sigma) - (next * next)) / (sigma * sigma))
                : 0;
            var share = Math.Sqrt((next * next) - (up * up)) / sigma;
            var root = Math.Sqrt((sigma * sigma) + 1);
            var (fromState, fromOutput) = config.Prediction switch
            {
                Prediction.Epsilon => (1.0, -sigma),
                Prediction.Velocity => (1 / (root * root), -sigma / root),
                _ => (0.0, 1.0),
            };
            steps[i] = new SamplerStep
            {
                Timestep = timesteps[i],
                Sigma = sigma,
                InputScale = 1 / root,
                EstimateFromState = fromState,
                EstimateFromOutput = fromOutput,
                FromState = share,
                FromEstimate = 1 - share,
                Noise = up,
            };
        }

        var start = config.Spacing == TimestepSpacing.Leading ? Math.Sqrt((sigmas[0] * sigmas[0]) + 1) : sigmas[0];
        return new SamplerPlan(start, steps, sigmas);
    }

    /// <summary>Lu et al. 2022, "DPM-Solver++": multistep, data prediction, midpoint, on a variance-preserving state.</summary>
    public static SamplerPlan DpmSolver(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        var schedule = new NoiseSchedule(config);
        double[] sigmas = [.. timesteps.Select(schedule.Sigma), config.FinalSigmaIsLeast ? schedule.LeastSigma : 0];
        if (config.Karras)
        {
            Karras(sigmas, schedule.LargestSigma, schedule.LeastSigma);
            timesteps = [.. sigmas[..^1].Select(sigma => Math.Round(schedule.Timestep(sigma)))];
        }

        var steps = new SamplerStep[timesteps.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var (alpha, noise, lambda) = Parts(sigmas[i]);
            var (nextAlpha, nextNoise, nextLambda) = Parts(sigmas[i + 1]);
            var h = nextLambda - lambda;
            var gain = -nextAlpha * (double.IsPositiveInfinity(h) ? -1 : Expm1(-h));
            var last = i == steps.Length - 1 && (!config.FinalSigmaIsLeast || (config.LowerOrderFinal && steps.Length < ShortRun));
            var bend = i == 0 || last || config.SolverOrder == 1 ? 0 : 0.5 * gain * h / (lambda - Parts(sigmas[i - 1]).Lambda);
            var (clean, _) = DiffusionSamplers.Split(config.Prediction, alpha * alpha);
            steps[i] = new SamplerStep
            {
                Timestep = timesteps[i],
                Sigma = sigmas[i],
                InputScale = 1,
                EstimateFromState = clean.State,
                EstimateFromOutput = clean.Output,
                FromState = nextNoise / noise,
                FromEstimate = gain + bend,
                FromLastEstimate = -bend,
            };
        }

        return new SamplerPlan(1, steps, sigmas);
    }

    /// <summary>a and s of a variance-preserving state, and λ = ln(a/s), which is infinite where no noise is left.</summary>
    private static (double Alpha, double Noise, double Lambda) Parts(double sigma)
    {
        var alpha = 1 / Math.Sqrt((sigma * sigma) + 1);
        return (alpha, sigma * alpha, sigma == 0 ? double.PositiveInfinity : -Math.Log(sigma));
    }

    /// <summary>e^x − 1 without loss for small x (Kahan's form).</summary>
    private static double Expm1(double x)
    {
        var u = Math.Exp(x);
        if (u == 1)
            return x;
        return u - 1 == -1 ? -1 : (u - 1) * x / Math.Log(u);
    }

    /// <summary>Karras et al. 2022, equation 5, over all but the last σ.</summary>
    private static void Karras(double[] sigmas, double largest, double least)
    {
        var count = sigmas.Length - 1;
        var (high, low) = (Math.Pow(largest, 1 / Rho), Math.Pow(least, 1 / Rho));
        for (var i = 0; i < count; i++)
            sigmas[i] = Math.Pow(high + ((count == 1 ? 0.0 : (double)i / (count - 1)) * (low - high)), Rho);
    }
}
