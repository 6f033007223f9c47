using System.CommandLine;
using Mesh.Models.Hub;

namespace Mesh.Cli.Models;

/// <summary><c>mesh models pull</c>: fetches a model into the cache that the hub's other clients share.</summary>
internal static class PullCommand
{
    private const long Mebibyte = 1 << 20;

    public static Command Create()
    {
        var repository = new Argument<string>("REPO") { Description = "ORG/REPO or ORG/REPO@REVISION (a branch, tag or commit; default main)." };
        var variant = new Option<string?>("--variant") { Description = "Preferred weights, such as fp16; folders without them give their plain ones." };
        var files = new Option<string[]>("--file")
        {
            Description = "Only the files that match; * stands for any characters. May stand several times. Default: what a model folder needs.",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("pull", "Fetch a model from the hub (HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE are heeded).")
        {
            repository,
            variant,
            files,
        };
        command.SetAction((parsed, cancel) => RunAsync(
            HubOptions.FromEnvironment(Environment.GetEnvironmentVariable, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)),
            HubRepository.Parse(parsed.GetValue(repository)!), parsed.GetValue(variant), parsed.GetValue(files) ?? [],
            parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, cancel));
        return command;
    }

    /// <summary>Fetches and prints the snapshot's folder as the last line of <paramref name="output"/>; progress goes to <paramref name="error"/>.</summary>
    internal static async Task<int> RunAsync(HubOptions options, HubRepository repository, string? variant, string[] files, TextWriter output, TextWriter error,
        CancellationToken cancel)
    {
        using var client = new HubClient(options);
        var told = new Told(error);
        var snapshot = await client.PullAsync(repository, variant, files, told.Tell, cancel);
        if (snapshot.Files.Count > 0)
            await error.WriteLineAsync($"{snapshot.Files.Count} files, {snapshot.Files.Sum(f => f.Size) / Mebibyte:N0} MiB, commit {snapshot.Commit}");
        await output.WriteLineAsync(snapshot.Folder);
        return ExitCode.Done;
    }

    /// <summary>One line a file, and one more at each quarter of a large one.</summary>
    private sealed class Told(TextWriter error)
    {
        private const int Quarters = 4;

        private (string Path, long Quarter) _last = ("", -1);

        public void Tell(HubProgress progress)
        {
            long quarter = progress.File.Size == 0 ? Quarters : progress.Bytes * Quarters / progress.File.Size;
            bool isNews = quarter == Quarters || progress.File.Size >= 64 * Mebibyte;
            if (!isNews || _last == (progress.File.Path, quarter))
                return;
            _last = (progress.File.Path, quarter);
            error.WriteLine($"[{progress.Index}/{progress.Count}] {progress.File.Path} {progress.Bytes / Mebibyte:N0} of {progress.File.Size / Mebibyte:N0} MiB");
        }
    }
}
