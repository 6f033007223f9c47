using Mesh.Contracts.Stage.V1;

namespace Mesh.Hosting.Stages;

/// <summary>A model as its files are now, loaded or not.</summary>
/// <param name="Id">What it is configured under.</param>
/// <param name="Version">SHA-256 over what the stage runs of it, lower-case hexadecimal.</param>
/// <param name="MemoryBytes">What its weights take once they are loaded.</param>
/// <param name="Wire">What the stage says of it; <c>loaded</c> and <c>memory_bytes</c> are filled in by who holds it.</param>
public sealed record InstalledModel(string Id, string Version, long MemoryBytes, StageModel Wire);

/// <summary>Where a stage's models come from. Safe for use from several threads; every call may take as long as reading files does.</summary>
/// <typeparam name="TModel">What is held in memory.</typeparam>
public interface IModelSource<TModel>
    where TModel : class, IDisposable
{
    /// <summary>What is configured, in ordinal order; models that only others use are not among them.</summary>
    IReadOnlyList<string> Ids { get; }

    /// <summary>What an empty id means; null where nothing is configured.</summary>
    string? DefaultId { get; }

    /// <summary>What an operator should do where nothing is configured, one sentence.</summary>
    string InstallHint { get; }

    /// <summary>Whether there is such an id, <see cref="Ids"/> or one that only others use.</summary>
    bool Knows(string id);

    /// <summary>Reads what a model's files are now, without loading weights. What it throws tells the caller why the model cannot be used.</summary>
    InstalledModel Examine(string id);

    /// <summary>Loads what <see cref="Examine"/> found. What it throws tells the caller why the model cannot be used.</summary>
    TModel Load(InstalledModel model);
}
