using System.Globalization;
using System.Text.Json;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Trainer.Promotion;

/// <summary>A version in a model's history.</summary>
/// <param name="Number">Counts from 1; 0 is what was there before.</param>
/// <param name="Job">The job that made it; empty for number 0.</param>
/// <param name="Sha256">Over all of its files; empty for number 0.</param>
/// <param name="Lines">The description that names it.</param>
internal sealed record ShelfVersion(int Number, string Job, string Sha256, string Lines);

/// <summary>What a model has been: its versions in the order in which they were promoted, and which of them is served.</summary>
/// <param name="Versions">The oldest first.</param>
/// <param name="Current">The number of the one that is served; -1: none.</param>
internal sealed record ShelfHistory(IReadOnlyList<ShelfVersion> Versions, int Current);

/// <summary>
/// Models that are served and change: each is a description <c>ID.model</c>, which is replaced as a whole and names the folder of a version that is never
/// changed. The stages' catalogue names the description.
/// </summary>
internal sealed class ModelShelf(TrainerFolders folders)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The description that the catalogue names.</summary>
    public string DescriptionOf(string model) => Path.Combine(folders.Models, model + ".model");

    /// <summary>Keeps all others, in this process or another, from changing a model.</summary>
    /// <exception cref="MeshException">ABORTED: another changes it now.</exception>
    public IDisposable Lock(string model)
    {
        Directory.CreateDirectory(FolderOf(model));
        try
        {
            return new FileStream(Path.Combine(FolderOf(model), ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            throw new MeshException(Grpc.Core.StatusCode.Aborted, "MODEL_IS_CHANGING", $"Another call changes the model '{model}' just now.");
        }
    }

    /// <summary>What the model has been. One that was never promoted has at most what its description says now, as number 0.</summary>
    public ShelfHistory Read(string model)
    {
        if (File.Exists(HistoryOf(model))) return JsonSerializer.Deserialize<ShelfHistory>(File.ReadAllBytes(HistoryOf(model)))!;
        return File.Exists(DescriptionOf(model))
            ? new ShelfHistory([new ShelfVersion(0, "", "", File.ReadAllText(DescriptionOf(model)))], 0)
            : new ShelfHistory([], -1);
    }

    /// <summary>Copies a job's model as a new version, whole or not at all; nothing is served yet.</summary>
    /// <exception cref="MeshException">DATA_LOSS: the copy is not what was copied.</exception>
    public ShelfVersion Add(string model, ShelfHistory history, string job, string from, string sha256)
    {
        var number = history.Versions.Select(x => x.Number).DefaultIfEmpty(0).Max() + 1;
        var name = string.Create(CultureInfo.InvariantCulture, $"{number:D4}");
        var target = Path.Combine(FolderOf(model), name);
        var part = Path.Combine(FolderOf(model), $".part-{Guid.NewGuid():N}");
        try
        {
            foreach (var file in TrainerFolders.Files(from))
            {
                var copy = Path.Combine(part, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
            if (TrainerFolders.Digest(part) != sha256) throw new MeshException(Grpc.Core.StatusCode.DataLoss, "COPY_DIFFERS", "The model's files changed while they were copied.");
            // What lies there is of a promotion that was cut off before it was noted.
            if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
            Directory.Move(part, target);
        }
        finally
        {
            if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        }
        return new ShelfVersion(number, job, sha256, $"# job {job}\nbase: {model}/{name}\n");
    }

    /// <summary>Makes a version the one that is served, once the stages look again.</summary>
    public void Use(string model, ShelfHistory history, ShelfVersion version)
    {
        var versions = history.Versions.Any(x => x.Number == version.Number) ? history.Versions : [.. history.Versions, version];
        Replace(HistoryOf(model), JsonSerializer.Serialize(new ShelfHistory(versions, version.Number), Indented));
        Replace(DescriptionOf(model), version.Lines);
    }

    /// <summary>Undoes a first <see cref="Use"/>: the model is what it was.</summary>
    public void Restore(string model, ShelfHistory before)
    {
        if (before.Versions.FirstOrDefault(x => x.Number == before.Current) is { } version)
        {
            Use(model, before, version);
            return;
        }
        File.Delete(DescriptionOf(model));
        File.Delete(HistoryOf(model));
    }

    public ModelVersion Wire(string model, ShelfVersion version) => new()
    {
        Model = model, Number = version.Number, JobId = version.Job, Sha256 = version.Sha256, Folder = Mesh.Models.Recipes.ModelDescription.Parse(version.Lines, folders.Models, DescriptionOf(model)).Folder,
    };

    private string FolderOf(string model) => Path.Combine(folders.Models, model);

    private string HistoryOf(string model) => Path.Combine(FolderOf(model), "history.json");

    private static void Replace(string path, string text)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        File.WriteAllText(temporary, text);
        File.Move(temporary, path, overwrite: true);
    }
}
