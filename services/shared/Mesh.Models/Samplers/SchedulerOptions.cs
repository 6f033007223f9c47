using System.Text.Json;

namespace Mesh.Models.Samplers;

/// <summary>Reads a reference scheduler's configuration: known options, and refusal of those that would change the arithmetic and are not built.</summary>
internal static class SchedulerOptions
{
    // Options that only their default value (or absence) is built for. Numbers and booleans are compared as JSON text.
    private static readonly Dictionary<string, string[]> OnlyDefault = new()
    {
        ["trained_betas"] = ["null"],
        ["clip_sample"] = ["false"],
        ["thresholding"] = ["false"],
        ["interpolation_type"] = ["\"linear\""],
        ["use_exponential_sigmas"] = ["false", "null"],
        ["use_beta_sigmas"] = ["false", "null"],
        ["use_lu_lambdas"] = ["false", "null"],
        ["use_flow_sigmas"] = ["false", "null"],
        ["use_dynamic_shifting"] = ["false", "null"],
        ["sigma_min"] = ["null"],
        ["sigma_max"] = ["null"],
        ["timestep_type"] = ["\"discrete\""],
        ["algorithm_type"] = ["\"dpmsolver++\""],
        ["solver_type"] = ["\"midpoint\""],
        ["euler_at_final"] = ["false"],
        ["lambda_min_clipped"] = ["\"-inf\"", "\"-Infinity\"", "-Infinity", "null"],
        ["variance_type"] = ["null"],
        ["shift_terminal"] = ["null"],
        ["invert_sigmas"] = ["false"],
        ["stochastic_sampling"] = ["false"],
    };

    // PNDM's configuration is common in folders whose sampler is another one; flow matching does not know the training schedule at all.
    private static readonly string[] FlowIgnores = ["prediction_type", "use_karras_sigmas"];

    public static SchedulerConfig Read(SamplerKind kind, JsonElement options)
    {
        foreach (var (name, allowed) in OnlyDefault)
        {
            if (options.TryGetProperty(name, out var value) && !allowed.Contains(Plain(value), StringComparer.Ordinal))
                throw new NotSupportedException($"the sampler option {name} = {Plain(value)} is not built");
        }

        var config = new SchedulerConfig { Kind = kind, TrainTimesteps = (int)Number(options, "num_train_timesteps", 1000) };
        if (config.TrainTimesteps is < 2 or > 100_000)
            throw new NotSupportedException($"a training schedule of {config.TrainTimesteps} steps");
        if (kind == SamplerKind.FlowMatchEuler)
            return Flow(config, options);
        return config with
        {
            BetaStart = Number(options, "beta_start", kind is SamplerKind.Lcm or SamplerKind.Tcd ? 0.00085 : 0.0001),
            BetaEnd = Number(options, "beta_end", kind is SamplerKind.Lcm or SamplerKind.Tcd ? 0.012 : 0.02),
            ScaledBetas = Word(options, "beta_schedule", kind is SamplerKind.Lcm or SamplerKind.Tcd ? "scaled_linear" : "linear") switch
            {
                "scaled_linear" => true,
                "linear" => false,
                var other => throw new NotSupportedException($"the sampler option beta_schedule = {other} is not built"),
            },
            ZeroTerminalSnr = Flag(options, "rescale_betas_zero_snr", false),
            Prediction = Word(options, "prediction_type", "epsilon") switch
            {
                "epsilon" => Prediction.Epsilon,
                "v_prediction" => Prediction.Velocity,
                "sample" => Prediction.Sample,
                var other => throw new NotSupportedException($"the sampler option prediction_type = {other} is not built"),
            },
            Spacing = Word(options, "timestep_spacing", DefaultSpacing(kind)) switch
            {
                "leading" => TimestepSpacing.Leading,
                "trailing" => TimestepSpacing.Trailing,
                "linspace" => TimestepSpacing.Linspace,
                var other => throw new NotSupportedException($"the sampler option timestep_spacing = {other} is not built"),
            },
            StepsOffset = (int)Number(options, "steps_offset", 0),
            AlphaToOne = Flag(options, "set_alpha_to_one", true),
            Karras = Flag(options, "use_karras_sigmas", false),
            FinalSigmaIsLeast = FinalSigma(kind, options),
            SolverOrder = Number(options, "solver_order", 2) switch
            {
                1 => 1,
                2 => 2,
                var order => throw new NotSupportedException($"the sampler option solver_order = {order} is not built"),
            },
            LowerOrderFinal = Flag(options, "lower_order_final", true),
            OriginalSteps = (int)Number(options, "original_inference_steps", 50),
            TimestepScaling = Number(options, "timestep_scaling", 10),
            Eta = kind == SamplerKind.Tcd ? 0.3 : 0,
        };
    }

    private static SchedulerConfig Flow(SchedulerConfig config, JsonElement options)
    {
        foreach (var name in FlowIgnores)
        {
            if (options.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True)
                throw new NotSupportedException($"the sampler option {name} is not built for flow matching");
        }

        return config with { Shift = Number(options, "shift", 1) };
    }

    private static bool FinalSigma(SamplerKind kind, JsonElement options)
    {
        var last = Word(options, "final_sigmas_type", "zero");
        return last switch
        {
            "zero" => false,
            "sigma_min" when kind == SamplerKind.DpmSolver => true,
            _ => throw new NotSupportedException($"the sampler option final_sigmas_type = {last} is not built"),
        };
    }

    private static string DefaultSpacing(SamplerKind kind) => kind is SamplerKind.Ddim or SamplerKind.Lcm or SamplerKind.Tcd ? "leading" : "linspace";

    /// <summary>A value as it stands in JSON without escapes.</summary>
    private static string Plain(JsonElement value) => value.ValueKind == JsonValueKind.String ? $"\"{value.GetString()}\"" : value.GetRawText();

    private static double Number(JsonElement options, string name, double otherwise)
    {
        if (!options.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return otherwise;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw new InvalidDataException($"the sampler option {name} is not a number");
    }

    private static bool Flag(JsonElement options, string name, bool otherwise)
    {
        if (!options.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return otherwise;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw new InvalidDataException($"the sampler option {name} is neither true nor false");
    }

    private static string Word(JsonElement options, string name, string otherwise)
    {
        if (!options.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return otherwise;
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new InvalidDataException($"the sampler option {name} is not a text");
    }
}
