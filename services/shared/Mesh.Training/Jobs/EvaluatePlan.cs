using System.Text.Json.Nodes;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary><c>evaluate</c>: what a model's pictures are worth, on captions that it was trained on and on those kept back.</summary>
internal sealed class EvaluatePlan : IJobPlan
{
    public const string KindName = "evaluate";

    private readonly JobFields _fields;

    private EvaluatePlan(JobFields fields, string root)
    {
        _fields = fields;
        Model = fields.Folder("model", root);
        Data = fields.Folder("data", root);
        Side = fields.Amount("side", 64, 8, 4096);
        Selection = DataSelection.Read(fields.Mapping("select"));
        Scorer = fields.Folder("scorer", root);
        Inception = fields.OptionalFile("inception", root);
        Count = fields.Amount("count", 256, 4);
        Steps = fields.Amount("steps", 1, 1, 1000);
        PathSteps = fields.Amount("path_steps", 25, 2, 1000);
        Seeds = fields.Amount("seeds_a_caption", 4, 2, 64);
        Batch = fields.Amount("batch", 32, 1);
        LatencyRuns = fields.Amount("latency_runs", 20, 0, 1000);
        Columns = fields.Amount("columns", 16, 1, 64);
        Seed = fields.Whole("seed", 0, 0, uint.MaxValue);
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public string Model { get; }

    public string Data { get; }

    public int Side { get; }

    public DataSelection Selection { get; }

    public string Scorer { get; }

    public string? Inception { get; }

    public int Count { get; }

    public int Steps { get; }

    public int PathSteps { get; }

    public int Seeds { get; }

    public int Batch { get; }

    public int LatencyRuns { get; }

    public int Columns { get; }

    public long Seed { get; }

    public static IJobPlan Read(JobFields fields, string root) => new EvaluatePlan(fields, root);

    public void Run(JobContext context)
    {
        context.Folder.SaveConfig(Resolved);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        using var judge = new Judge(this);
        var report = new JsonObject { ["model"] = Path.GetFileName(Model.TrimEnd('/')), ["steps"] = Steps };
        foreach (var group in new[] { "seen", "unseen" })
        {
            context.Cancel.ThrowIfCancellationRequested();
            var found = judge.Look(group == "seen", context.Cancel);
            if (found is null)
                continue;
            report[group] = new JsonObject(found.Measures.Select(m => new KeyValuePair<string, JsonNode?>(m.Key, double.IsFinite(m.Value) ? m.Value : null)));
            context.Folder.WriteWhole(Path.Combine(context.Folder.Result, group + ".png"), found.Picture!);
            context.Tell(new SamplesWritten(0, Path.Combine(context.Folder.Result, group + ".png"), found.Measures));
        }

        if (LatencyRuns > 0)
            report["latency_seconds"] = judge.Latency();
        report["features"] = judge.FeaturesNote;
        context.Folder.WriteWhole(Path.Combine(context.Folder.Result, "report.json"), System.Text.Encoding.UTF8.GetBytes(report.ToJsonString(new() { WriteIndented = true })));
        context.Tell(new RunFinished(context.Folder.Result, clock.Elapsed.TotalSeconds));
    }

    public IReadOnlyList<string> Rehearse()
    {
        using var judge = new Judge(this);
        return [judge.FeaturesNote];
    }
}
