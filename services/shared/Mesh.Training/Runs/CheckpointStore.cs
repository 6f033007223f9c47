using System.Globalization;
using System.Text.Json;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Training.Runs;

/// <summary>Everything that a run goes on from besides its tensors.</summary>
/// <param name="Step">Steps made.</param>
/// <param name="Images">Images seen.</param>
/// <param name="Seconds">Of all steps.</param>
/// <param name="AverageUpdates">Updates of the moving average.</param>
/// <param name="OptimiserSteps">Updates of each parameter, in order.</param>
/// <param name="Random">State of the run's generator.</param>
/// <param name="Position">The data order's epoch and place in it.</param>
/// <param name="Tick">What was summed up since the last tick.</param>
public sealed record RunState(
    long Step, long Images, double Seconds, long AverageUpdates, long[] OptimiserSteps, uint[] Random, long[] Position, TickSums Tick);

/// <summary>Sums since the last tick.</summary>
/// <param name="Steps">Steps.</param>
/// <param name="Norms">Norms of the gradients.</param>
/// <param name="Losses">Losses by name.</param>
/// <param name="Times">Where the time went.</param>
public sealed record TickSums(int Steps, double Norms, Dictionary<string, double> Losses, StepTimes Times);

/// <summary>A checkpoint that is whole.</summary>
/// <param name="Folder">Where it lies.</param>
/// <param name="State">Its numbers.</param>
public sealed record Checkpoint(string Folder, RunState State)
{
    /// <summary>The file of its tensors.</summary>
    public string TensorPath => Path.Combine(Folder, CheckpointStore.TensorFile);
}

/// <summary>
/// A run's checkpoints, each a folder that is written under another name and renamed when it is whole: tensors, numbers, and a list of both files'
/// sizes and hashes, without which, or against which, no folder is taken for a checkpoint.
/// </summary>
public sealed class CheckpointStore
{
    internal const string TensorFile = "state.safetensors";
    private const string StateFile = "state.json";
    private const string ManifestFile = "manifest.json";
    private const string Prefix = "step-";
    private const string Unfinished = ".part-";

    // A sum may be infinite: the run that made it is to be looked at, not lost.
    private static readonly JsonSerializerOptions Json = new() { NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly string _folder;
    private readonly Action _beforeWrite;

    internal CheckpointStore(string folder, Action beforeWrite) => (_folder, _beforeWrite) = (folder, beforeWrite);

    /// <summary>Whether there is anything that may be a checkpoint.</summary>
    public bool Any => Folders().Any();

    /// <summary>Writes a checkpoint and removes the oldest beyond <paramref name="keep"/>.</summary>
    /// <returns>Its folder, and the hash of its tensors' file.</returns>
    /// <exception cref="IOException">It cannot be written; those that were there before are untouched.</exception>
    public (string Folder, string Hash) Write(RunState state, IEnumerable<KeyValuePair<string, Tensor>> tensors, int keep)
    {
        ArgumentNullException.ThrowIfNull(state);
        _beforeWrite();
        Directory.CreateDirectory(_folder);
        RemoveUnfinished();
        var target = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{state.Step:D10}"));
        // A run's step is the same however it came there, so one that is whole already need not be written again.
        if (Directory.Exists(target) && Verify(target) is null)
            return (target, FileHash.Sha256(Path.Combine(target, TensorFile)));
        var part = Path.Combine(_folder, $"{Unfinished}{Guid.NewGuid():n}");
        Directory.CreateDirectory(part);
        try
        {
            var hash = SafetensorsWriter.Write(Path.Combine(part, TensorFile), tensors);
            WriteDurably(Path.Combine(part, StateFile), JsonSerializer.SerializeToUtf8Bytes(state, Json));
            var manifest = new[] { TensorFile, StateFile }.ToDictionary(
                f => f, f => new FileMark(new FileInfo(Path.Combine(part, f)).Length, f == TensorFile ? hash : FileHash.Sha256(Path.Combine(part, f))), StringComparer.Ordinal);
            WriteDurably(Path.Combine(part, ManifestFile), JsonSerializer.SerializeToUtf8Bytes(manifest));
            _beforeWrite();
            if (Directory.Exists(target))
                Directory.Delete(target, recursive: true);
            Directory.Move(part, target);
            Prune(keep);
            return (target, hash);
        }
        finally
        {
            if (Directory.Exists(part))
                Directory.Delete(part, recursive: true);
        }
    }

    /// <summary>The newest checkpoint that is whole; null where there is none.</summary>
    /// <param name="refused">Told of newer ones that are not, with the reason.</param>
    public Checkpoint? Newest(Action<string, string>? refused = null)
    {
        foreach (var folder in Folders())
        {
            var fault = Verify(folder);
            if (fault is null)
                return new Checkpoint(folder, JsonSerializer.Deserialize<RunState>(File.ReadAllBytes(Path.Combine(folder, StateFile)), Json)!);
            refused?.Invoke(folder, fault);
        }

        return null;
    }

    /// <summary>What is wrong with a checkpoint's folder; null where it is whole.</summary>
    public static string? Verify(string folder)
    {
        var path = Path.Combine(folder, ManifestFile);
        if (!File.Exists(path))
            return $"{ManifestFile} is not there";
        try
        {
            var manifest = JsonSerializer.Deserialize<Dictionary<string, FileMark>>(File.ReadAllBytes(path)) ?? [];
            foreach (var name in new[] { TensorFile, StateFile })
            {
                var file = new FileInfo(Path.Combine(folder, name));
                if (!manifest.TryGetValue(name, out var mark))
                    return $"{ManifestFile} does not list {name}";
                if (!file.Exists || file.Length != mark.Bytes)
                    return $"{name} has {(file.Exists ? file.Length : 0)} bytes instead of {mark.Bytes}";
                if (FileHash.Sha256(file.FullName) != mark.Sha256)
                    return $"{name} has another hash than {ManifestFile} says";
            }

            return null;
        }
        catch (JsonException fault)
        {
            return $"{ManifestFile}: {fault.Message}";
        }
    }

    /// <summary>Folders that may be checkpoints, newest first.</summary>
    private IEnumerable<string> Folders() => Directory.Exists(_folder)
        ? Directory.EnumerateDirectories(_folder, Prefix + "*").OrderByDescending(d => d, StringComparer.Ordinal)
        : [];

    private void Prune(int keep)
    {
        foreach (var old in Folders().Skip(Math.Max(1, keep)).ToList())
            Directory.Delete(old, recursive: true);
    }

    // What an earlier process left when it was killed.
    private void RemoveUnfinished()
    {
        foreach (var part in Directory.EnumerateDirectories(_folder, Unfinished + "*").ToList())
            Directory.Delete(part, recursive: true);
    }

    private static void WriteDurably(string path, byte[] content)
    {
        using var file = new FileStream(path, FileMode.CreateNew);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    private sealed record FileMark(long Bytes, string Sha256);
}
