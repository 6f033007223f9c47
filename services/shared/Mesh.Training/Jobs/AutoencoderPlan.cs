using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary>How much each part of an autoencoder's loss counts.</summary>
/// <param name="Absolute">Mean absolute difference of pixels.</param>
/// <param name="Squared">Mean squared difference of pixels.</param>
/// <param name="Edges">Mean absolute difference of the differences of neighbouring pixels.</param>
/// <param name="Divergence">Mean divergence of the latent's distribution from a standard normal one.</param>
public sealed record AutoencoderLoss(double Absolute, double Squared, double Edges, double Divergence);

/// <summary><c>autoencoder</c>: from pixels to latents and back.</summary>
internal sealed class AutoencoderPlan : IJobPlan
{
    public const string KindName = "autoencoder";
    private const string Small = """
        {"in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
         "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"], "block_out_channels": [24, 48, 96, 128],
         "layers_per_block": 1, "latent_channels": 16, "norm_num_groups": 8, "mid_block_add_attention": false, "sample_size": 64}
        """;

    private readonly JobFields _fields;

    private AutoencoderPlan(JobFields fields, string root)
    {
        _fields = fields;
        Data = fields.Folder("data", root);
        Side = fields.Amount("side", 64, 8, 4096);
        Selection = DataSelection.Read(fields.Mapping("select"));
        (ConfigJson, Config) = fields.Network("network", AutoencoderKLConfig.FromJson, Small);
        Flip = fields.Number("flip", 0.5, 0, 1);
        var loss = fields.Mapping("loss");
        Loss = new AutoencoderLoss(loss.Number("absolute", 1, 0), loss.Number("squared", 1, 0), loss.Number("edges", 0.5, 0), loss.Number("divergence", 2e-4, 0));
        Half = fields.Flag("half", false);
        Train = TrainConfig.Read(fields.Mapping("train"));
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public string Data { get; }

    public int Side { get; }

    public DataSelection Selection { get; }

    public JsonElement ConfigJson { get; }

    public AutoencoderKLConfig? Config { get; }

    public double Flip { get; }

    public AutoencoderLoss Loss { get; }

    public bool Half { get; }

    public TrainConfig Train { get; }

    public static IJobPlan Read(JobFields fields, string root) => new AutoencoderPlan(fields, root);

    public void Run(JobContext context) => TrainingRun.Run(this, Train, context, () => new AutoencoderTask(this));

    public IReadOnlyList<string> Rehearse() => TrainingRun.Rehearse(Train, () => new AutoencoderTask(this));
}
