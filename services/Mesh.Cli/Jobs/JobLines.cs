using System.Globalization;
using Mesh.Client;
using Mesh.Contracts.Trainer.V1;
using ModelVersion = Mesh.Contracts.Trainer.V1.ModelVersion;

namespace Mesh.Cli.Jobs;

/// <summary>Jobs and what happens in them, a line each.</summary>
internal static class JobLines
{
    private static readonly string[] Bounds = [">=", "<="];

    /// <summary>A job.</summary>
    public static string Of(Job job)
    {
        var progress = job.Progress is { TotalSteps: > 0 } p ? Invariant($"  {p.Step}/{p.TotalSteps}  {p.ImagesPerSecond:F1} images/s  {p.LeftSeconds:F0} s left") : "";
        var shards = job.Shards > 1 ? Invariant($"  {job.ShardsDone}/{job.Shards} shards") : "";
        return $"{job.Id}  {job.Kind,-12} {Word(job.State),-10}{(job.Stopping ? " stopping" : "")}{progress}{shards}{(job.Title.Length > 0 ? "  " + job.Title : "")}{(job.Error is { } e ? "  " + e.Message : "")}{(job.Result.Length > 0 ? "  " + job.Result : "")}";
    }

    /// <summary>Something that a job has made.</summary>
    public static string Of(Checkpoint one) =>
        Invariant($"{one.Path}  {(one.Final ? "result" : $"step {one.Step}")}  {one.SizeBytes / 1e6:F1} MB  {one.Sha256}{(one.Promotable ? "  promotable" : "")}{(one.Fault.Length > 0 ? "  faulty: " + one.Fault : "")}");

    /// <summary>A version that is served now.</summary>
    public static string Of(ModelVersion version) => Invariant($"{version.Model} is version {version.Number} now: {version.Folder}");

    /// <summary>A bound as it is written: MEASURE>=NUMBER or MEASURE&lt;=NUMBER.</summary>
    /// <exception cref="ArgumentException">It is not written so.</exception>
    public static Threshold ReadBound(string text)
    {
        var sign = Bounds.FirstOrDefault(x => text.Contains(x, StringComparison.Ordinal)) ?? throw new ArgumentException($"--require {text}: write MEASURE>=NUMBER or MEASURE<=NUMBER");
        var parts = text.Split(sign, 2);
        if (parts[0].Length == 0 || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
            throw new ArgumentException($"--require {text}: write MEASURE{sign}NUMBER");
        return sign == ">=" ? new Threshold { Measure = parts[0], AtLeast = value } : new Threshold { Measure = parts[0], AtMost = value };
    }

    /// <summary>Tells a job's events until it is over.</summary>
    /// <returns>Done where it succeeded.</returns>
    public static async Task<int> FollowAsync(TrainerClient trainer, string id, long first, TextWriter console, CancellationToken cancel)
    {
        await foreach (var happened in trainer.WatchAsync(id, first, cancel))
        {
            await console.WriteLineAsync(Invariant($"{happened.Number,5}  {(happened.HasShard ? $"shard {happened.Shard}: " : "")}{Of(happened)}"));
            await console.FlushAsync(cancel);
        }
        var job = await trainer.GetAsync(id, cancel);
        await console.WriteLineAsync(Of(job));
        return job.State == JobState.Succeeded ? ExitCode.Done : ExitCode.Failed;
    }

    private static string Of(WatchJobResponse happened) => happened.EventCase switch
    {
        WatchJobResponse.EventOneofCase.State => $"{Word(happened.State.State)}{Beside(happened.State.Worker)}{Beside(happened.State.Reason)}",
        WatchJobResponse.EventOneofCase.Began => Invariant($"{happened.Began.Parameters:N0} parameters, from step {happened.Began.Step} of {happened.Began.TotalSteps}{Beside(happened.Began.ResumedFrom)}"),
        WatchJobResponse.EventOneofCase.Progress => Progress(happened.Progress),
        WatchJobResponse.EventOneofCase.Sample => Invariant($"step {happened.Sample.Step}: {string.Join("  ", happened.Sample.Measures.Select(m => Invariant($"{m.Key} {m.Value:G4}")))}{Beside(happened.Sample.Path)}"),
        WatchJobResponse.EventOneofCase.Checkpoint => $"kept {happened.Checkpoint.Path}",
        WatchJobResponse.EventOneofCase.Notice => happened.Notice.Text,
        _ => happened.EventCase.ToString(),
    };

    private static string Progress(JobProgress p) =>
        Invariant($"{p.Step}/{p.TotalSteps}  {string.Join("  ", p.Losses.Select(x => Invariant($"{x.Key} {x.Value:G4}")))}  {p.ImagesPerSecond:F1} images/s  {p.LeftSeconds:F0} s left");

    private static string Word(JobState state) => state.ToString().ToLowerInvariant();

    private static string Beside(string text) => text.Length > 0 ? "  " + text : "";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
