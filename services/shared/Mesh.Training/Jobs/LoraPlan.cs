using Mesh.Training.Adapters;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary><c>lora</c>: low-rank updates of a model's U-Net, and of its text encoder where asked for, that teach it a style or a subject.</summary>
internal sealed class LoraPlan : IJobPlan
{
    public const string KindName = "lora";

    private static readonly string[] UNetTargets = ["to_q", "to_k", "to_v", "to_out.0"];
    private static readonly string[] TextTargets = ["q_proj", "k_proj", "v_proj", "out_proj"];

    private readonly JobFields _fields;

    private LoraPlan(JobFields fields, string root)
    {
        _fields = fields;
        Model = LoraModel.Read(fields, "model", root);
        Data = fields.Folder("data", root);
        Side = fields.Amount("side", 64, 8, 4096);
        Selection = DataSelection.Read(fields.Mapping("select"));
        Objective = fields.Choice<DenoisingKind>("objective", Model?.Kind ?? DenoisingKind.Diffusion);
        if (Objective == DenoisingKind.Flow)
        {
            var times = fields.Mapping("times");
            var law = times.Choice<TimeLaw>("law", TimeLaw.LogitNormal);
            Times = new FlowTimes(law, times.Number("least", 0, 0, 0.99), times.Amount("steps", 1, 1), times.Number("noise_share", 0, 0, 1));
        }
        else
        {
            MostRatio = fields.Number("snr_gamma", 0, 0);
        }

        UNet = Shape(fields, "unet", 8, UNetTargets);
        Text = Shape(fields, "text_encoder", 0, TextTargets);
        if (UNet is null && Text is null)
            fields.Fault("unet", "neither the U-Net nor the text encoder gets updates: give one of them a rank");
        SampleSteps = fields.Amount("sample_steps", Objective == DenoisingKind.Flow ? 1 : 25, 1, 1000);
        SampleGuidance = fields.Number("sample_guidance", Objective == DenoisingKind.Flow ? 1 : 7.5, 0, 100);
        Samples = fields.Texts("samples", []);
        Half = fields.Flag("half", false);
        Train = TrainConfig.Read(fields.Mapping("train"));
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public LoraModel? Model { get; }

    public string Data { get; }

    public int Side { get; }

    public DataSelection Selection { get; }

    public DenoisingKind Objective { get; }

    public FlowTimes? Times { get; }

    public double MostRatio { get; }

    /// <summary>Of the U-Net; null for none.</summary>
    public LoraShape? UNet { get; }

    /// <summary>Of the text encoder; null for none.</summary>
    public LoraShape? Text { get; }

    public int SampleSteps { get; }

    public double SampleGuidance { get; }

    public string[] Samples { get; }

    public bool Half { get; }

    public TrainConfig Train { get; }

    public static IJobPlan Read(JobFields fields, string root) => new LoraPlan(fields, root);

    public void Run(JobContext context) => TrainingRun.Run(this, Train, context, () => new LoraTask(this));

    public IReadOnlyList<string> Rehearse() => TrainingRun.Rehearse(Train, () => new LoraTask(this));

    private LoraShape? Shape(JobFields fields, string component, int absent, string[] targets)
    {
        var nested = fields.Mapping(component);
        var rank = nested.Amount("rank", absent, 0, 4096);
        var alpha = nested.Number("alpha", Math.Max(1, rank), 0, above: true);
        var ends = nested.Texts("targets", targets);
        if (rank == 0)
            return null;
        if (Model is not null)
        {
            var paths = Model.Paths(component);
            foreach (var end in ends.Where(e => !paths.Any(p => LoraShape.Means(e, p))))
                nested.Fault("targets", $"'{end}' is the end of no linear layer's or convolution's path");
        }

        if (ends.Length == 0)
            nested.Fault("targets", "is empty: leave the updates out by the rank 0");
        return new LoraShape(rank, alpha, ends);
    }
}
