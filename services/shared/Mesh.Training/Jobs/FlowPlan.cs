using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Runs;
using Mesh.Training.Perception;

namespace Mesh.Training.Jobs;

/// <summary>How far off a network is.</summary>
public enum FlowDistance
{
    /// <summary>The mean of squares.</summary>
    L2,

    /// <summary>Pseudo-Huber on a sample's norm.</summary>
    HuberNorm,

    /// <summary>Pseudo-Huber on a sample's root mean square.</summary>
    HuberMean,

    /// <summary>Pseudo-Huber on each element.</summary>
    HuberElement,

    /// <summary>LPIPS of the decoded pictures.</summary>
    Lpips,

    /// <summary>E-LatentLPIPS.</summary>
    LatentLpips,
}

/// <summary>A loss with what it needs.</summary>
/// <param name="Distance">Which.</param>
/// <param name="Scale">Where a pseudo-Huber loss passes from square to straight; 0 for the usual of <see cref="FlowDistance.HuberNorm"/>.</param>
/// <param name="Network">LPIPS's backbone.</param>
/// <param name="Weights">Weights of a perceptual metric.</param>
/// <param name="Heads">LPIPS's heads.</param>
/// <param name="Augmentations">E-LatentLPIPS's ensemble.</param>
internal sealed record FlowLoss(FlowDistance Distance, double Scale, LpipsNetwork Network, string? Weights, string? Heads, Augmentations Augmentations)
{
    public bool IsPerceptual => Distance is FlowDistance.Lpips or FlowDistance.LatentLpips;

    public static FlowLoss Read(JobFields fields, string root)
    {
        var loss = new FlowLoss(
            fields.Choice<FlowDistance>("distance", FlowDistance.L2), fields.Number("scale", 0, 0), fields.Choice<LpipsNetwork>("network", LpipsNetwork.Alex),
            fields.OptionalFile("weights", root), fields.OptionalFile("heads", root), Ensemble(fields));
        if (loss.IsPerceptual && loss.Weights is null)
            fields.Fault("weights", "is missing: a perceptual distance needs its weights");
        if (loss.Distance == FlowDistance.Lpips && loss.Heads is null)
            fields.Fault("heads", "is missing: LPIPS needs its heads");
        if (loss.Scale == 0 && loss.Distance is FlowDistance.HuberMean or FlowDistance.HuberElement)
            fields.Fault("scale", "must be above 0 for this distance");
        return loss;
    }

    private static Augmentations Ensemble(JobFields fields)
    {
        var name = fields.Text("augmentations", "bg");
        try
        {
            return AugmentationDraws.Parse(name);
        }
        catch (ArgumentException fault)
        {
            fields.Fault("augmentations", fault.Message);
            return Augmentations.None;
        }
    }
}

/// <summary><c>flow</c> trains text encoder and U-Net on straight paths from noise to latents, <c>distil</c> on the paths' ends alone.</summary>
internal sealed class FlowPlan : IJobPlan
{
    public const string KindName = "flow";
    public const string DistilName = "distil";

    private const string SmallUNet = """
        {"sample_size": 8, "in_channels": 16, "out_channels": 16, "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
         "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [128, 192], "layers_per_block": 1,
         "attention_head_dim": [4, 6], "cross_attention_dim": 192, "use_linear_projection": true, "norm_num_groups": 32}
        """;

    private const string SmallText = """
        {"vocab_size": 2048, "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 3,
         "max_position_embeddings": 32, "hidden_act": "quick_gelu", "eos_token_id": 2047, "bos_token_id": 2046, "model_type": "clip_text_model"}
        """;

    private readonly JobFields _fields;
    private readonly LatentCache? _cache;

    private FlowPlan(JobFields fields, string root, bool distil)
    {
        _fields = fields;
        Kind = distil ? DistilName : KindName;
        Start = fields.OptionalFolder("start", root);
        Data = fields.Has("pairs") ? null : fields.Folder("data", root);
        Pairs = fields.OptionalFolder("pairs", root);
        Vae = fields.Folder("vae", root);
        Tokenizer = fields.Folder("tokenizer", root);
        Selection = DataSelection.Read(fields.Mapping("select"));
        Side = fields.Amount("side", 64, 8, 4096);
        (UNetJson, UNet) = fields.Network("unet", UNetConfig.FromJson, SmallUNet);
        (TextJson, Text) = fields.Network("text_encoder", json => ClipTextConfig.FromJson(json, projection: false), SmallText);
        TrainText = fields.Flag("train_text_encoder", true);
        Loss = FlowLoss.Read(fields.Mapping("loss"), root);
        if (!distil)
        {
            var times = fields.Mapping("times");
            Times = new FlowTimes(
                times.Choice<TimeLaw>("law", TimeLaw.LogitNormal), times.Number("least", 0, 0, 0.99), times.Amount("steps", 1, 1), times.Number("noise_share", 0, 0, 1));
            if (Loss.IsPerceptual && Times.Law != TimeLaw.Noise)
                fields.Fault("loss", "a perceptual distance compares the ends of paths: use it with times of the law noise, or in distil");
        }

        SampleSteps = fields.Amount("sample_steps", 1, 1, 1000);
        Samples = fields.Texts("samples", []);
        _cache = fields.Flag("keep_latents", true) ? LatentCache.Below(root) : null;
        Half = fields.Flag("half", false);
        Train = TrainConfig.Read(fields.Mapping("train"));
    }

    public string Kind { get; }

    public string Resolved => _fields.Resolved();

    public string? Start { get; }

    public string? Data { get; }

    public string? Pairs { get; }

    public string Vae { get; }

    public string Tokenizer { get; }

    public DataSelection Selection { get; }

    public int Side { get; }

    public JsonElement UNetJson { get; }

    public UNetConfig? UNet { get; }

    public JsonElement TextJson { get; }

    public ClipTextConfig? Text { get; }

    public bool TrainText { get; }

    public FlowLoss Loss { get; }

    public FlowTimes Times { get; } = new(TimeLaw.Noise);

    public int SampleSteps { get; }

    public string[] Samples { get; }

    public bool Half { get; }

    public TrainConfig Train { get; }

    public static IJobPlan ReadFlow(JobFields fields, string root) => new FlowPlan(fields, root, distil: false);

    public static IJobPlan ReadDistil(JobFields fields, string root) => new FlowPlan(fields, root, distil: true);

    public void Run(JobContext context) => TrainingRun.Run(this, Train, context, () => new FlowTask(this, _cache));

    public IReadOnlyList<string> Rehearse() => TrainingRun.Rehearse(Train, () => new FlowTask(this, cache: null));
}
