using System.Text.Json;
using Mesh.Models.Samplers;

namespace Mesh.Models.Recipes;

/// <summary>How a checkpoint is stepped: sampler, steps, guidance.</summary>
public sealed record Recipe
{
    /// <summary>The word by which a line of configuration asks for it.</summary>
    public required string Name { get; init; }

    /// <summary>The sampler with all its options.</summary>
    public required SchedulerConfig Scheduler { get; init; }

    /// <summary>Steps where a request does not say.</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance where a request does not say; above 1 the network runs twice a step.</summary>
    public double Guidance { get; init; }

    /// <summary>How far a guided prediction is scaled back to the plain one's deviation, 0 to 1.</summary>
    public double GuidanceRescale { get; init; }

    /// <summary>The timesteps that the checkpoint was distilled for, by number of steps; other numbers are spaced by the sampler.</summary>
    public IReadOnlyDictionary<int, IReadOnlyList<double>> Lists { get; init; } = new Dictionary<int, IReadOnlyList<double>>();

    /// <summary>The numbers of steps that the checkpoint was trained for; empty where any will do.</summary>
    public IReadOnlyList<int> KnownSteps { get; init; } = [];

    /// <summary>Plans a run.</summary>
    /// <param name="steps">Network steps; the recipe's own where null.</param>
    /// <exception cref="ArgumentException">The checkpoint was not trained for that number.</exception>
    public SamplerPlan Plan(int? steps = null)
    {
        var count = steps ?? Steps;
        if (KnownSteps.Count > 0 && !KnownSteps.Contains(count))
            throw new ArgumentException($"{Name} is trained for {string.Join(", ", KnownSteps)} steps, not {count}", nameof(steps));
        return Lists.TryGetValue(count, out var list) ? SamplerPlan.Create(Scheduler, list) : SamplerPlan.Create(Scheduler, count);
    }

    /// <summary>The training schedule of Stable Diffusion in every version, for folders without a scheduler file.</summary>
    internal static SchedulerConfig StableDiffusion(SamplerKind kind) => new()
    {
        Kind = kind,
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        ScaledBetas = true,
        StepsOffset = 1,
        AlphaToOne = false,
    };

    /// <summary>
    /// A folder's training schedule and prediction under another sampler: what a scheduler file of any class says of β, T and the prediction.
    /// </summary>
    internal static SchedulerConfig From(JsonElement? file, SamplerKind kind)
    {
        if (file is not { } options)
            return StableDiffusion(kind);

        // Every class states the schedule under the same names; what else it states belongs to a sampler that is not used.
        var shared = new Dictionary<string, JsonElement>();
        foreach (var name in new[] { "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type", "trained_betas", "rescale_betas_zero_snr" })
        {
            if (options.TryGetProperty(name, out var value))
                shared[name] = value;
        }

        var config = SchedulerOptions.Read(kind, JsonSerializer.SerializeToElement(shared));
        return config with { StepsOffset = 1, AlphaToOne = false };
    }
}
