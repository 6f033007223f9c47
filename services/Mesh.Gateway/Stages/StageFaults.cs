using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Hosting.Faults;
using Status = Google.Rpc.Status;

namespace Mesh.Gateway.Stages;

/// <summary>The replica that had a piece of work is gone before it answered; another may be asked.</summary>
internal sealed class ReplicaLostException(string address, string why, Exception? inner = null) : Exception($"{address} {why}", inner)
{
    public string Address { get; } = address;
}

/// <summary>Faults of stages as this gateway's callers see them.</summary>
internal static class StageFaults
{
    public const string StageUnavailable = "STAGE_UNAVAILABLE";

    public const string StageTimeout = "STAGE_TIMEOUT";

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private static readonly Dictionary<string, MessageParser> Known = ErrorDetailsReflection.Descriptor.MessageTypes.ToDictionary(x => x.FullName, x => x.Parser);

    /// <summary>What a stage said of a piece of work, with all its details.</summary>
    public static MeshException Of(Status status, string stage)
    {
        var info = status.Detail<ErrorInfo>();
        IMessage[] details =
        [
            .. status.Details.Where(x => !x.Is(ErrorInfo.Descriptor))
                .Select(x => (Bytes: x.Value, Parser: Known.GetValueOrDefault(x.TypeUrl[(x.TypeUrl.LastIndexOf('/') + 1)..])))
                .Where(x => x.Parser is not null).Select(x => x.Parser!.ParseFrom(x.Bytes)),
        ];
        var metadata = info?.Metadata.ToDictionary(x => x.Key, x => x.Value, StringComparer.Ordinal) ?? [];
        metadata["stage"] = stage;
        return new((StatusCode)status.Code, info is { Reason.Length: > 0 } ? info.Reason : FaultReasons.Internal, status.Message, details) { Metadata = metadata };
    }

    /// <summary>No replica of a stage answers now.</summary>
    public static MeshException Unavailable(string stage, string why)
    {
        var fault = MeshException.Unavailable(StageUnavailable, $"The {stage} stage cannot be reached now: {why}. Try again in a moment.", Retry);
        return new(fault.Code, fault.Reason, fault.Message, [.. fault.Details]) { Metadata = new Dictionary<string, string> { ["stage"] = stage } };
    }

    /// <summary>The time for a piece of work is over: its call's, or where that has more, the gateway's own.</summary>
    public static MeshException TimedOut(string stage, bool atDeadline) => atDeadline
        ? new(StatusCode.DeadlineExceeded, FaultReasons.DeadlineExceeded, "The deadline passed.")
        : new(StatusCode.DeadlineExceeded, StageTimeout, $"The {stage} stage did not answer in time.") { Metadata = new Dictionary<string, string> { ["stage"] = stage } };
}
