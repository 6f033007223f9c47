using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Evaluation;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary><c>scorer</c>: a small CLIP, whose judgement of generated pictures is only worth what it says of real ones it never saw.</summary>
internal sealed class ScorerPlan : IJobPlan
{
    public const string KindName = "scorer";

    private const string Small = """
        {"projection_dim": 128,
         "text_config": {"vocab_size": 2048, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4,
                         "max_position_embeddings": 32, "hidden_act": "quick_gelu", "eos_token_id": 2047, "model_type": "clip_text_model"},
         "vision_config": {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 6, "image_size": 64, "patch_size": 8,
                           "hidden_act": "quick_gelu"}}
        """;

    private readonly JobFields _fields;

    private ScorerPlan(JobFields fields, string root)
    {
        _fields = fields;
        Data = fields.Folder("data", root);
        Tokenizer = fields.Folder("tokenizer", root);
        Selection = DataSelection.Read(fields.Mapping("select"));
        Network = fields.Raw("network", Small);
        Check(fields);
        Train = TrainConfig.Read(fields.Mapping("train"));
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public string Data { get; }

    public string Tokenizer { get; }

    public DataSelection Selection { get; }

    public JsonElement Network { get; }

    public TrainConfig Train { get; }

    public static IJobPlan Read(JobFields fields, string root) => new ScorerPlan(fields, root);

    public void Run(JobContext context) => TrainingRun.Run(this, Train, context, () => new ScorerTask(this));

    public IReadOnlyList<string> Rehearse() => TrainingRun.Rehearse(Train, () => new ScorerTask(this));

    private void Check(JobFields fields)
    {
        try
        {
            using var model = ClipFolder.Create(Network);
        }
        catch (Exception fault) when (fault is ModelConfigException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            fields.Fault("network", fault.Message);
        }
    }
}
