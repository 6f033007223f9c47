using Grpc.Core;
using Mesh.Hosting.Faults;

namespace Mesh.Hosting.Stages;

/// <summary>What stages refuse, and in which words.</summary>
public static class StageFaults
{
    /// <summary>Weights are not where the configuration says, or nothing is configured.</summary>
    public const string NotInstalled = "MODEL_NOT_INSTALLED";

    /// <summary>The files are there and cannot be used.</summary>
    public const string UnusableReason = "MODEL_UNUSABLE";

    /// <summary>The version that was asked for is not the one that is installed.</summary>
    public const string VersionReason = "MODEL_VERSION_MISMATCH";

    /// <summary>The model does not fit the memory budget at all.</summary>
    public const string TooLargeReason = "MODEL_TOO_LARGE";

    /// <summary>The memory that the model needs is in use.</summary>
    public const string MemoryReason = "MEMORY_IN_USE";

    /// <summary>A LoRA's file is missing, or of a kind that cannot be applied.</summary>
    public const string LoraReason = "LORA_UNUSABLE";

    /// <summary>A stream has more unfinished pieces of work than it may.</summary>
    public const string StreamFull = "STREAM_FULL";

    private static readonly TimeSpan MemoryRetry = TimeSpan.FromSeconds(5);

    /// <summary>Nothing is configured for this stage.</summary>
    /// <param name="hint">What to do.</param>
    public static MeshException NothingInstalled(string hint) => MeshException.FailedPrecondition(NotInstalled, "models", hint);

    /// <summary>A model's files are not there.</summary>
    public static MeshException Missing(string id, string path) => MeshException.FailedPrecondition(
        NotInstalled, id, $"The model '{id}' is not installed: {path} is not there. Put it there, or change the configuration.");

    /// <summary>There is no such model.</summary>
    public static MeshException Unknown(string id, IReadOnlyList<string> known) => MeshException.NotFound(
        "model", id, $"There is no model '{id}'; there {(known.Count == 1 ? "is" : "are")} {string.Join(", ", known)}.");

    /// <summary>A model's files could not be read or loaded.</summary>
    public static MeshException Unusable(string id, Exception why)
    {
        ArgumentNullException.ThrowIfNull(why);
        return MeshException.FailedPrecondition(UnusableReason, id, $"The model '{id}' cannot be used: {why.Message}");
    }

    /// <summary>Another version is installed.</summary>
    public static MeshException OtherVersion(string id, string asked, string installed) => MeshException.FailedPrecondition(
        VersionReason, id, $"The model '{id}' is installed as {installed}, not as {asked}.");

    /// <summary>The file of a LoRA that a request names cannot be used.</summary>
    public static MeshException UnusableLora(LoraSet loras, Exception why)
    {
        ArgumentNullException.ThrowIfNull(loras);
        ArgumentNullException.ThrowIfNull(why);
        return MeshException.FailedPrecondition(LoraReason, string.Join(", ", loras.Choices.Select(x => x.Name)), $"A LoRA cannot be used: {why.Message}");
    }

    internal static MeshException TooLarge(string id, long bytes, long budget) => MeshException.FailedPrecondition(
        TooLargeReason, id, $"The model '{id}' needs {bytes} bytes; the memory budget is {budget}. Raise Mesh:ModelMemory:BudgetBytes.");

    internal static MeshException MemoryInUse(string id, long bytes, long budget) => MeshException.Overloaded(
        MemoryReason, $"The model '{id}' needs {bytes} bytes of the budget of {budget}, which other models are using.", MemoryRetry);

    internal static MeshException TooMany(int limit, TimeSpan retryAfter) => MeshException.Overloaded(
        StreamFull, $"The stream has {limit} unfinished pieces of work, which is the most that it may.", retryAfter);

    internal static MeshException IdInUse(long id) => new(
        StatusCode.InvalidArgument, FaultReasons.InvalidArgument, $"id: {id} is in use in this stream");
}
