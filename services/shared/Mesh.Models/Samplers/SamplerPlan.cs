namespace Mesh.Models.Samplers;

/// <summary>One step of a run, as the factors of its sums. Every sampler here is linear in these.</summary>
public readonly record struct SamplerStep
{
    /// <summary>What the network is given as time; may be fractional.</summary>
    public required double Timestep { get; init; }

    /// <summary>σ at this step where the sampler works on σ, else 0.</summary>
    public double Sigma { get; init; }

    /// <summary>The network sees the state times this.</summary>
    public double InputScale { get; init; }

    /// <summary>The clean sample is estimated as <see cref="EstimateFromState"/>·state + <see cref="EstimateFromOutput"/>·output.</summary>
    public double EstimateFromState { get; init; }

    /// <inheritdoc cref="EstimateFromState"/>
    public double EstimateFromOutput { get; init; }

    /// <summary>The next state is the sum of these four times state, output, estimate, the step before's estimate, and <see cref="Noise"/>·fresh noise.</summary>
    public double FromState { get; init; }

    /// <inheritdoc cref="FromState"/>
    public double FromOutput { get; init; }

    /// <inheritdoc cref="FromState"/>
    public double FromEstimate { get; init; }

    /// <inheritdoc cref="FromState"/>
    public double FromLastEstimate { get; init; }

    /// <summary>The factor of fresh noise; 0 where the step needs none.</summary>
    public double Noise { get; init; }
}

/// <summary>A whole run: the factor of the first noise, and the steps.</summary>
/// <param name="StartScale">The first state is noise times this.</param>
/// <param name="Steps">In the order in which they are taken.</param>
/// <param name="Sigmas">σ of every step and the last one, where the sampler works on σ; else empty.</param>
public sealed record SamplerPlan(double StartScale, IReadOnlyList<SamplerStep> Steps, IReadOnlyList<double> Sigmas)
{
    private const int MostSteps = 1000;

    /// <summary>Whether some step adds fresh noise.</summary>
    public bool NeedsNoise => Steps.Any(step => step.Noise != 0);

    /// <summary>Plans a run of <paramref name="count"/> steps.</summary>
    /// <exception cref="ArgumentException">The sampler cannot take that many steps.</exception>
    public static SamplerPlan Create(SchedulerConfig config, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, config.Kind == SamplerKind.RectifiedFlow ? MostSteps : Math.Min(MostSteps, config.TrainTimesteps));
        return config.Kind switch
        {
            SamplerKind.RectifiedFlow => FlowSamplers.RectifiedFlow(count),
            SamplerKind.FlowMatchEuler => FlowSamplers.FlowMatch(config, count),
            SamplerKind.Ddim => DiffusionSamplers.Ddim(config, Timesteps.Spaced(config, count)),
            SamplerKind.Euler or SamplerKind.EulerAncestral => SigmaSamplers.Euler(config, Timesteps.Euler(config, count)),
            SamplerKind.DpmSolver => SigmaSamplers.DpmSolver(config, Timesteps.DpmSolver(config, count)),
            SamplerKind.Lcm => DiffusionSamplers.Lcm(config, Timesteps.Distilled(config, count)),
            _ => DiffusionSamplers.Tcd(config, Timesteps.Distilled(config, count)),
        };
    }

    /// <summary>Plans a run over given timesteps, highest first; LCM, TCD, Euler and DPM-Solver can.</summary>
    /// <exception cref="ArgumentException">The list is empty, not falling, or outside the training schedule, or the sampler takes no list.</exception>
    public static SamplerPlan Create(SchedulerConfig config, IReadOnlyList<double> timesteps)
    {
        if (timesteps.Count == 0 || timesteps.Count > MostSteps)
            throw new ArgumentException($"{timesteps.Count} timesteps", nameof(timesteps));
        for (var i = 0; i < timesteps.Count; i++)
        {
            if (timesteps[i] < 0 || timesteps[i] > config.TrainTimesteps - 1 || (i > 0 && timesteps[i] >= timesteps[i - 1]))
                throw new ArgumentException($"timesteps must fall from at most {config.TrainTimesteps - 1} to at least 0", nameof(timesteps));
        }

        return config.Kind switch
        {
            SamplerKind.Lcm => DiffusionSamplers.Lcm(config, timesteps),
            SamplerKind.Tcd => DiffusionSamplers.Tcd(config, timesteps),
            SamplerKind.Euler or SamplerKind.EulerAncestral when !config.Karras => SigmaSamplers.Euler(config, timesteps),
            SamplerKind.DpmSolver when !config.Karras => SigmaSamplers.DpmSolver(config, timesteps),
            _ => throw new ArgumentException($"{config.Kind} takes a number of steps, not a list", nameof(timesteps)),
        };
    }
}
