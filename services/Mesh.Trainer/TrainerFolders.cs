using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh.Models.Weights;
using Mesh.Store.Jobs;
using Microsoft.Extensions.Options;

namespace Mesh.Trainer;

/// <summary>Where things lie below the root folder that all trainers share.</summary>
internal sealed class TrainerFolders
{
    private const string Result = "result";
    private const string DigestFile = "result.sha256";

    public TrainerFolders(IOptions<TrainerOptions> options)
    {
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Value.Root));
        Models = Path.GetFullPath(options.Value.Models ?? Path.Combine(Root, "models"));
        Directory.CreateDirectory(Root);
    }

    /// <summary>The root's full path.</summary>
    public string Root { get; }

    /// <summary>Where promoted models lie.</summary>
    public string Models { get; }

    /// <summary>A whole job's folder.</summary>
    public string Job(string id) => Path.Combine(Root, "jobs", id);

    /// <summary>What a whole job makes.</summary>
    public string ResultOf(string id) => Path.Combine(Job(id), Result);

    /// <summary>Where the digest of what a job made stands.</summary>
    public string DigestOf(string id) => Path.Combine(Job(id), DigestFile);

    /// <summary>The folder of a job's run, or of one part's, whose result is the whole job's.</summary>
    public string RunOf(JobRecord job)
    {
        if (job.Parent is not { } parent) return Job(job.Id);
        var run = Path.Combine(Job(parent), string.Create(CultureInfo.InvariantCulture, $"shard-{job.Shard}"));
        Directory.CreateDirectory(ResultOf(parent));
        Directory.CreateDirectory(run);
        var link = Path.Combine(run, Result);
        if (!Path.Exists(link)) Directory.CreateSymbolicLink(link, Path.Combine("..", Result));
        return run;
    }

    /// <summary>The folders of all runs of a job: its own, or those of its parts.</summary>
    public IEnumerable<string> RunsOf(JobRecord job) =>
        job.Shards.Count == 0 ? [Job(job.Id)] : job.Shards.Select((_, i) => Path.Combine(Job(job.Id), string.Create(CultureInfo.InvariantCulture, $"shard-{i}")));

    /// <summary>A path as callers are told of it; empty for none.</summary>
    public string Relative(string? path) => path is null ? "" : Path.GetRelativePath(Root, path);

    /// <summary>SHA-256 over the names and contents of all files of a folder.</summary>
    public static string Digest(string folder)
    {
        var text = new StringBuilder();
        foreach (var (name, path) in Files(folder).Select(x => (Path.GetRelativePath(folder, x), x)).OrderBy(x => x.Item1, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"{FileHash.Sha256(path)} {name}\n");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Bytes of all files of a folder.</summary>
    public static long SizeOf(string folder) => Files(folder).Sum(x => new FileInfo(x).Length);

    /// <summary>All files of a folder.</summary>
    public static IEnumerable<string> Files(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories);
}
