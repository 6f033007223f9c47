using System.Globalization;
using System.Text.Json;
using Mesh.Store.Jobs;
using Mesh.Training.Runs;
using Checkpoint = Mesh.Contracts.Trainer.V1.Checkpoint;
using JobState = Mesh.Store.Jobs.JobState;

namespace Mesh.Trainer.Jobs;

/// <summary>What jobs have made, as it lies in their folders; nothing is taken on trust.</summary>
internal sealed class CheckpointLists(TrainerFolders folders)
{
    private const string Prefix = "step-";
    private const string Index = "model_index.json";

    /// <summary>A job's checkpoints, the newest first, after what it made in the end.</summary>
    public IReadOnlyList<Checkpoint> Of(JobRecord job)
    {
        List<Checkpoint> list = [];
        if (job.State == JobState.Succeeded && Final(job) is { } final) list.Add(final);
        foreach (var run in folders.RunsOf(job).Select(x => Path.Combine(x, "checkpoints")).Where(Directory.Exists))
            list.AddRange(Directory.EnumerateDirectories(run, Prefix + "*").OrderByDescending(x => x, StringComparer.Ordinal).Select(Step));
        return list;
    }

    /// <summary>Whether a folder holds a whole model.</summary>
    public static bool IsModel(string folder) => File.Exists(Path.Combine(folder, Index));

    /// <summary>What is wrong with what a job made; null: nothing.</summary>
    /// <param name="id">The job's.</param>
    /// <param name="digest">The folder's present digest.</param>
    public string? FaultOfResult(string id, out string digest)
    {
        digest = "";
        var folder = folders.ResultOf(id);
        if (!Directory.Exists(folder)) return "it is not there";
        digest = TrainerFolders.Digest(folder);
        var noted = folders.DigestOf(id);
        if (!File.Exists(noted)) return "its digest is not there";
        return File.ReadAllText(noted).Trim() == digest ? null : "its files are not those that the job wrote";
    }

    private Checkpoint? Final(JobRecord job)
    {
        var folder = folders.ResultOf(job.Id);
        if (!Directory.Exists(folder)) return null;
        var fault = FaultOfResult(job.Id, out var digest);
        // What several trainers made together has no digest of its own.
        if (job.Shards.Count > 0) fault = null;
        return new Checkpoint
        {
            Path = folders.Relative(folder), SizeBytes = TrainerFolders.SizeOf(folder), Sha256 = digest, Final = true, Promotable = fault is null && IsModel(folder), Fault = fault ?? "",
        };
    }

    private Checkpoint Step(string folder)
    {
        var fault = CheckpointStore.Verify(folder);
        return new Checkpoint
        {
            Path = folders.Relative(folder),
            Step = long.TryParse(Path.GetFileName(folder.AsSpan())[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : 0,
            SizeBytes = TrainerFolders.SizeOf(folder),
            Sha256 = fault is null ? NotedHash(folder) : "",
            Fault = fault ?? "",
        };
    }

    private static string NotedHash(string folder)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "manifest.json")));
        return manifest.RootElement.GetProperty("state.safetensors").GetProperty("Sha256").GetString() ?? "";
    }
}
