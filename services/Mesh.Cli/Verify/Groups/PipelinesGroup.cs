using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using Mesh.Models.Samplers;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Token ids and noise to pixels, through every stage of a pipeline.</summary>
public sealed class PipelinesGroup : IGoldenGroup
{
    // Where the decoded picture may be 1e-4 off, a byte in a thousand may fall on the other side of a rounding boundary.
    private const double ShareOfBytes = 1e-3;
    private const double Factor = 10;

    // What the reference's schedulers state; SchedulerConfig refuses values of these that are not built.
    private static readonly string[] SchedulerFields =
    [
        "class", "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "original_inference_steps", "clip_sample", "clip_sample_range",
        "set_alpha_to_one", "steps_offset", "prediction_type", "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "timestep_spacing",
        "timestep_scaling", "rescale_betas_zero_snr", "solver_order", "algorithm_type", "solver_type", "lower_order_final", "euler_at_final", "use_karras_sigmas",
        "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "flow_shift", "final_sigmas_type", "lambda_min_clipped", "variance_type",
        "use_dynamic_shifting", "time_shift_type", "interpolation_type", "sigma_min", "sigma_max", "timestep_type",
    ];

    /// <inheritdoc/>
    public string Name => "pipelines";

    /// <inheritdoc/>
    public bool IsData(GoldenCase golden) => !golden.Has("prompts") && golden.Has("models");

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("about", "prompts", "tensors", "difference_from_diffusers_pipeline", "tolerances", "clamped_share", "pixel_tolerance");
        var recipe = RecipeOf(golden);
        var models = golden.Field("models");
        using var other = models.ValueKind == JsonValueKind.String ? golden.Refer(models.GetString()!) : null;
        var networks = other is null ? models : other.Field("models").Clone(); // outlives the file
        return golden.HasTensor("out.velocity") ? Parts(golden, networks, recipe) : Whole(golden, networks, recipe);
    }

    /// <summary>A small model as a whole.</summary>
    private static IEnumerable<Check> Whole(GoldenCase golden, JsonElement networks, Recipe recipe)
    {
        using var text = Text(golden, networks);
        using var decode = new DecodeStage((AutoencoderKL)GoldenNetworks.FromDescription(golden, networks.GetProperty("vae")));
        using var denoise = new DenoiseStage((UNet)GoldenNetworks.FromDescription(golden, networks.GetProperty("unet")), recipe, decode.Factor);
        using var scope = NewDisposeScope();
        var context = text.EncodeIds(Ids(golden, "in.ids", "in.ids_2"));
        yield return golden.Compare("out.text", context.Context, CheckKind.Network);
        if (context.Pooled is { } pooled)
            yield return golden.Compare("out.pooled", pooled, CheckKind.Network);
        var negative = Negative(golden, text, context);
        if (golden.HasTensor("out.negative_text"))
            yield return golden.Compare("out.negative_text", negative!.Context, CheckKind.Network);

        var plan = recipe.Plan();
        yield return Check.Numbers("timesteps", [.. plan.Steps.Select(s => s.Timestep)], golden.Field("timesteps").Doubles(), 1e-6);
        var outputs = new List<Check>();
        var calls = 0;
        var latent = denoise.Run(new DenoiseInput
        {
            Text = context,
            Negative = negative,
            Noise = golden.Input("in.noise"),
            Seeds = plan.NeedsNoise ? [.. Enumerable.Repeat(0L, context.Count)] : null,
            Height = golden.Field("height").GetInt32(),
            Width = golden.Field("width").GetInt32(),
            OnOutput = (step, output) =>
            {
                calls++;
                if (step == 0)
                    outputs.Add(golden.Compare("out.unet_first", output, CheckKind.Network));
                if (step == plan.Steps.Count - 1 && golden.HasTensor("out.unet_last"))
                    outputs.Add(golden.Compare("out.unet_last", output, CheckKind.Network));
            },
        });
        foreach (var check in outputs)
            yield return check;
        yield return Check.Count("unet_calls", Math.Abs(calls - golden.Field("unet_calls").GetInt32()));
        yield return golden.Compare("out.latent", latent, CheckKind.Network);
        var decoded = decode.Decode(latent);
        yield return golden.Compare("out.decoded", decoded, CheckKind.Network);
        yield return Pixels(golden, "out.pixels", DecodeStage.ToPixels(decoded));
    }

    /// <summary>Full-size networks, one after the other, so that they need not all be there at once.</summary>
    private static IEnumerable<Check> Parts(GoldenCase golden, JsonElement networks, Recipe recipe)
    {
        using var scope = NewDisposeScope();
        TextConditioning context;
        using (var text = Text(golden, networks))
            context = text.EncodeIds(Ids(golden, "in.ids", "in.ids_2"));
        yield return golden.Compare("out.text_rows", context.Context.index_select(1, tensor(new long[] { 0, 5, 76 })), CheckKind.Network);

        var factor = AutoencoderKLConfig.FromJson(networks.GetProperty("vae").GetProperty("config")).Factor;
        var noise = golden.Input("in.noise");
        var outputs = new List<Check>();
        Tensor latent;
        using (var denoise = new DenoiseStage((UNet)GoldenNetworks.FromDescription(golden, networks.GetProperty("unet")), recipe, factor))
        {
            latent = denoise.Run(new DenoiseInput
            {
                Text = context,
                Noise = noise,
                Height = (int)noise.shape[2] * factor,
                Width = (int)noise.shape[3] * factor,
                OnOutput = (_, output) => outputs.Add(golden.Compare("out.velocity", output, CheckKind.Network)),
            });
        }

        foreach (var check in outputs)
            yield return check;
        yield return golden.Compare("out.latent", latent, CheckKind.Network);
        using var decode = new DecodeStage((AutoencoderKL)GoldenNetworks.FromDescription(golden, networks.GetProperty("vae")));
        var decoded = decode.Decode(latent);
        yield return golden.Compare("out.decoded_sample", EighthOf(decoded, 2), CheckKind.Network);
        yield return golden.Compare("out.decoded_stats", GoldenCase.Statistics(decoded, unbiased: true), CheckKind.Network);
        yield return Pixels(golden, "out.pixels_sample", EighthOf(DecodeStage.ToPixels(decoded), 1));
    }

    private static Tensor EighthOf(Tensor values, int axis) =>
        values.slice(axis, 0, values.shape[axis], 8).slice(axis + 1, 0, values.shape[axis + 1], 8);

    private static TextStage Text(GoldenCase golden, JsonElement networks)
    {
        var first = new TextTower(null, (ClipTextEncoder)GoldenNetworks.FromDescription(golden, networks.GetProperty("text_encoder")));
        return networks.TryGetProperty("text_encoder_2", out var second)
            ? new TextStage(first, new TextTower(null, (ClipTextEncoder)GoldenNetworks.FromDescription(golden, second)))
            : new TextStage(first);
    }

    private static TextConditioning? Negative(GoldenCase golden, TextStage text, TextConditioning context)
    {
        var negative = golden.Field("negative_prompts");
        return negative.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String when negative.GetString() == "zeros" => context.Zeros(),
            JsonValueKind.Array => text.EncodeIds(Ids(golden, "in.negative_ids", "in.negative_ids_2")),
            _ => throw new FormatException("negative_prompts is of no known form"),
        };
    }

    private static Tensor[] Ids(GoldenCase golden, params string[] names) => [.. names.Where(golden.HasTensor).Select(golden.Read)];

    private static Recipe RecipeOf(GoldenCase golden)
    {
        var steps = golden.Field("steps");
        var list = steps.ValueKind == JsonValueKind.Array ? steps.Doubles() : null;
        var scheduler = golden.Has("scheduler") ? golden.Field("scheduler") : default;
        var config = scheduler.ValueKind == JsonValueKind.Object
            ? SchedulerConfig.FromJson(scheduler.Only("scheduler", SchedulerFields).Text("class")!, scheduler)
            : new SchedulerConfig { Kind = SamplerKind.RectifiedFlow };
        var count = list?.Length ?? steps.GetInt32();
        return new Recipe
        {
            Name = golden.Name,
            Scheduler = config,
            Steps = count,
            Guidance = golden.Field("guidance").GetDouble(),
            Lists = list is null ? new Dictionary<int, IReadOnlyList<double>>() : new Dictionary<int, IReadOnlyList<double>> { [count] = list },
        };
    }

    private static Check Pixels(GoldenCase golden, string name, Tensor pixels)
    {
        using var expected = golden.Read(name);
        var stated = golden.Json.TryGetProperty("pixel_tolerance", out var tolerance) ? tolerance.Only("pixel_tolerance", "max", "share_of_different_bytes") : default;
        var share = stated.ValueKind == JsonValueKind.Object ? stated.GetProperty("share_of_different_bytes").GetDouble() : 0;
        var largest = stated.ValueKind == JsonValueKind.Object ? stated.GetProperty("max").GetInt32() : 0;
        return Check.Bytes(name, pixels, expected, Math.Max(1, largest), (long)Math.Ceiling(Math.Max(ShareOfBytes, Factor * share) * expected.numel()));
    }
}
