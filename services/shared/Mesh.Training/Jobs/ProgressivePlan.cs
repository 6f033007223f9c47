using System.Numerics;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary>A round of progressive distillation.</summary>
/// <param name="Steps">The student's steps.</param>
/// <param name="Guidance">What the teacher is guided by, in as many steps; null where the student takes two of its steps in one.</param>
internal sealed record ProgressiveRound(int Steps, double? Guidance);

/// <summary>
/// <c>progressive</c>: the baseline that one-step distillation is measured against. Round by round a student learns to take two of its teacher's
/// steps in one, and is the next round's teacher; guidance is learnt in a round of its own before. The text encoder stays as it is.
/// </summary>
internal sealed class ProgressivePlan : IJobPlan
{
    public const string KindName = "progressive";

    private readonly JobFields _fields;
    private readonly LatentCache? _cache;

    private ProgressivePlan(JobFields fields, string root)
    {
        _fields = fields;
        Teacher = fields.Folder("teacher", root);
        Data = fields.Has("pairs") ? null : fields.Folder("data", root);
        Pairs = fields.OptionalFolder("pairs", root);
        Side = fields.Amount("side", 64, 8, 4096);
        Selection = DataSelection.Read(fields.Mapping("select"));
        var steps = fields.Amount("steps", 16, 1, 1024);
        var end = fields.Amount("end_steps", 1, 1, 1024);
        var guidance = fields.Number("guidance", 1, 0, 100);
        if (steps % end != 0 || !BitOperations.IsPow2(steps / end))
            fields.Fault("steps", $"{steps} halved again and again does not come to {end}");
        Rounds = RoundsOf(steps, end, guidance);
        if (Rounds.Count == 0)
            fields.Fault("steps", "there is nothing to learn: as many as end_steps, and no guidance above 1");
        TeacherSteps = steps;
        Guidance = guidance;
        _cache = fields.Flag("keep_latents", true) ? LatentCache.Below(root) : null;
        Half = fields.Flag("half", false);
        Train = TrainConfig.Read(fields.Mapping("train"));
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public string Teacher { get; }

    public string? Data { get; }

    public string? Pairs { get; }

    public int Side { get; }

    public DataSelection Selection { get; }

    public IReadOnlyList<ProgressiveRound> Rounds { get; }

    public int TeacherSteps { get; }

    public double Guidance { get; }

    public bool Half { get; }

    public TrainConfig Train { get; }

    public static IJobPlan Read(JobFields fields, string root) => new ProgressivePlan(fields, root);

    public void Run(JobContext context) => TrainingRun.Run(this, Train, context, () => new ProgressiveTask(this, _cache));

    public IReadOnlyList<string> Rehearse() =>
        [$"{Rounds.Count} rounds, of steps {string.Join(", ", Rounds.Select(r => r.Steps))}", .. TrainingRun.Rehearse(Train, () => new ProgressiveTask(this, cache: null))];

    /// <summary>The round after so many images: all are equally long.</summary>
    public int RoundAt(long seen) => (int)Math.Min(Rounds.Count - 1, seen * Rounds.Count / Train.Images);

    private static List<ProgressiveRound> RoundsOf(int steps, int end, double guidance)
    {
        var rounds = new List<ProgressiveRound>();
        if (guidance > 1)
            rounds.Add(new ProgressiveRound(steps, guidance));
        for (var left = steps / 2; left >= end; left /= 2)
            rounds.Add(new ProgressiveRound(left, null));
        return rounds;
    }
}
