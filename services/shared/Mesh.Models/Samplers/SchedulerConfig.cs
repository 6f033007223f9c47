using System.Text.Json;

namespace Mesh.Models.Samplers;

/// <summary>What a network's output stands for.</summary>
public enum Prediction
{
    /// <summary>The noise ε of x = a·x0 + s·ε.</summary>
    Epsilon,

    /// <summary>v = a·ε − s·x0.</summary>
    Velocity,

    /// <summary>The clean sample x0 itself.</summary>
    Sample,
}

/// <summary>How the timesteps of a run are laid over the training schedule.</summary>
public enum TimestepSpacing
{
    /// <summary>Multiples of T div N, from below.</summary>
    Leading,

    /// <summary>Multiples of T/N counted down from T, less one.</summary>
    Trailing,

    /// <summary>Evenly from 0 to T − 1.</summary>
    Linspace,
}

/// <summary>The samplers that are built.</summary>
public enum SamplerKind
{
    /// <summary>Denoising diffusion implicit models.</summary>
    Ddim,

    /// <summary>Euler steps over σ.</summary>
    Euler,

    /// <summary>Euler steps that add fresh noise.</summary>
    EulerAncestral,

    /// <summary>DPM-Solver++ of first and second order, midpoint.</summary>
    DpmSolver,

    /// <summary>Latent consistency models.</summary>
    Lcm,

    /// <summary>Trajectory consistency distillation.</summary>
    Tcd,

    /// <summary>Flow matching whose network predicts noise − image.</summary>
    FlowMatchEuler,

    /// <summary>Rectified flow whose network predicts image − noise (InstaFlow's sign and times).</summary>
    RectifiedFlow,
}

/// <summary>
/// A sampler with the options that change its arithmetic, as <c>scheduler_config.json</c> names them. Options of the reference that are not built are
/// refused where they are set to anything but their default.
/// </summary>
public sealed record SchedulerConfig
{
    /// <summary>Which sampler.</summary>
    public required SamplerKind Kind { get; init; }

    /// <summary>T, the length of the training schedule.</summary>
    public int TrainTimesteps { get; init; } = 1000;

    /// <summary>β of the first training step.</summary>
    public double BetaStart { get; init; } = 0.0001;

    /// <summary>β of the last training step.</summary>
    public double BetaEnd { get; init; } = 0.02;

    /// <summary>Whether β is the square of an even row (Stable Diffusion's <c>scaled_linear</c>), not the row itself.</summary>
    public bool ScaledBetas { get; init; }

    /// <summary>Whether the schedule is stretched so that its end holds no signal.</summary>
    public bool ZeroTerminalSnr { get; init; }

    /// <summary>What the network predicts.</summary>
    public Prediction Prediction { get; init; } = Prediction.Epsilon;

    /// <summary>How timesteps are spaced.</summary>
    public TimestepSpacing Spacing { get; init; }

    /// <summary>Added to every timestep of leading spacing.</summary>
    public int StepsOffset { get; init; }

    /// <summary>DDIM: whether the step below 0 has ā = 1 rather than that of step 0.</summary>
    public bool AlphaToOne { get; init; } = true;

    /// <summary>DDIM and TCD: share of fresh noise, 0 to 1.</summary>
    public double Eta { get; init; }

    /// <summary>Euler and DPM-Solver: whether σ follow Karras et al. with ρ = 7.</summary>
    public bool Karras { get; init; }

    /// <summary>DPM-Solver: whether the last σ is the schedule's least rather than 0.</summary>
    public bool FinalSigmaIsLeast { get; init; }

    /// <summary>DPM-Solver: 1 or 2.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>DPM-Solver: whether runs under 15 steps end with a first-order step.</summary>
    public bool LowerOrderFinal { get; init; } = true;

    /// <summary>LCM and TCD: how many steps the distilled model knows.</summary>
    public int OriginalSteps { get; init; } = 50;

    /// <summary>LCM: the factor of the timestep in the boundary condition.</summary>
    public double TimestepScaling { get; init; } = 10;

    /// <summary>Flow matching: the shift of σ towards noise; 1 is none.</summary>
    public double Shift { get; init; } = 1;

    /// <summary>The sampler of a reference class name; null where it is none of those built (PNDM among them).</summary>
    public static SamplerKind? KindOf(string className) => className switch
    {
        "DDIMScheduler" => SamplerKind.Ddim,
        "EulerDiscreteScheduler" => SamplerKind.Euler,
        "EulerAncestralDiscreteScheduler" => SamplerKind.EulerAncestral,
        "DPMSolverMultistepScheduler" => SamplerKind.DpmSolver,
        "LCMScheduler" => SamplerKind.Lcm,
        "TCDScheduler" => SamplerKind.Tcd,
        "FlowMatchEulerDiscreteScheduler" => SamplerKind.FlowMatchEuler,
        _ => null,
    };

    /// <summary>Reads the options of a reference class from its configuration.</summary>
    /// <param name="className">As <c>_class_name</c> says it.</param>
    /// <param name="options">The object of <c>scheduler_config.json</c>.</param>
    /// <exception cref="NotSupportedException">The class, or a value of an option, is not built; the message names it.</exception>
    /// <exception cref="InvalidDataException">An option has a wrong type.</exception>
    public static SchedulerConfig FromJson(string className, JsonElement options)
    {
        var kind = KindOf(className) ?? throw new NotSupportedException($"the sampler {className} is not built");
        return SchedulerOptions.Read(kind, options);
    }
}
