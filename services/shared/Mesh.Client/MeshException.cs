using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Status = Google.Rpc.Status;

namespace Mesh.Client;

/// <summary>A field of a request that the mesh refused.</summary>
/// <param name="Field">Its name in the contract, such as <c>width_px</c>.</param>
/// <param name="Description">What is wrong with it.</param>
public sealed record FieldViolation(string Field, string Description);

/// <summary>A call, or one of its images, did not come to its end. What the mesh said about it stands in the properties.</summary>
public sealed class MeshException : Exception
{
    /// <summary>The <see cref="Reason"/> where no mesh answered at all: nothing listens there, TLS does not trust it, or the connection broke.</summary>
    public const string Unreachable = "UNREACHABLE";

    /// <summary>The <see cref="Reason"/> where what came did not fit together: a gap, a hash that does not agree, an end before the end.</summary>
    public const string Corrupt = "CORRUPT";

    /// <summary>The <see cref="Reason"/> where the call's time was over.</summary>
    public const string DeadlinePassed = "DEADLINE_PASSED";

    private const string DetailsTrailer = "grpc-status-details-bin";

    private MeshException(StatusCode code, string message, string reason, Exception? inner)
        : base(message, inner) => (Code, Reason) = (code, reason);

    /// <summary>The kind of fault, as gRPC counts them.</summary>
    public StatusCode Code { get; }

    /// <summary>The exact cause, such as <c>MODEL_NOT_FOUND</c>; made for programs, stable. Empty where the other side gave none.</summary>
    public string Reason { get; }

    /// <summary>What belongs to the reason, such as the limit that was passed.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private init; } = new Dictionary<string, string>();

    /// <summary>Which fields of the request are wrong; empty for other faults.</summary>
    public IReadOnlyList<FieldViolation> FieldViolations { get; private init; } = [];

    /// <summary>When to try again; null where the mesh did not say.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>Whether the same call may succeed a little later.</summary>
    public bool IsTransient => Code == StatusCode.Unavailable || (Code == StatusCode.ResourceExhausted && RetryAfter is not null);

    /// <summary>Reads what came as the end of a call.</summary>
    internal static MeshException From(RpcException fault)
    {
        var details = ReadDetails(fault.Trailers);
        if (details is not null && details.Code == (int)fault.StatusCode) return From(details, fault);
        var reason = fault.StatusCode switch
        {
            StatusCode.Unavailable when fault.Status.DebugException is not null => Unreachable,
            // A connection that TLS refuses.
            StatusCode.Internal when fault.Status.DebugException is HttpRequestException => Unreachable,
            StatusCode.DeadlineExceeded => DeadlinePassed,
            _ => "",
        };
        var message = reason == DeadlinePassed ? "the call's time was over before it was done" : fault.Status.Detail;
        return new MeshException(fault.StatusCode, message, reason, fault);
    }

    /// <summary>Reads what came inside an event, or in the details of a call's end.</summary>
    internal static MeshException From(Status status, Exception? inner = null)
    {
        var info = Detail<ErrorInfo>(status);
        var fields = Detail<BadRequest>(status)?.FieldViolations.Select(x => new FieldViolation(x.Field, x.Description)).ToArray() ?? [];
        var untold = fields.Where(x => !status.Message.Contains(x.Description, StringComparison.Ordinal)).Select(x => $"{x.Field}: {x.Description}");
        var message = string.Join("; ", new[] { status.Message }.Concat(untold).Where(x => x.Length > 0));
        // A fault that says it is none would otherwise look like success.
        var code = status.Code == 0 ? StatusCode.Unknown : (StatusCode)status.Code;
        return new MeshException(code, message.Length > 0 ? message : code.ToString(), info?.Reason ?? "", inner)
        {
            Metadata = info?.Metadata.ToDictionary(x => x.Key, x => x.Value) ?? [],
            FieldViolations = fields,
            RetryAfter = Detail<RetryInfo>(status)?.RetryDelay?.ToTimeSpan(),
        };
    }

    /// <summary>What came does not fit together.</summary>
    internal static MeshException OfCorruption(string what) => new(StatusCode.DataLoss, what, Corrupt, null);

    private static T? Detail<T>(Status status)
        where T : class, IMessage<T>, new()
    {
        foreach (var any in status.Details)
        {
            if (any.TryUnpack<T>(out var found)) return found;
        }
        return null;
    }

    private static Status? ReadDetails(Metadata trailers)
    {
        try
        {
            return trailers.GetValueBytes(DetailsTrailer) is { } bytes ? Status.Parser.ParseFrom(bytes) : null;
        }
        catch (InvalidProtocolBufferException)
        {
            // A proxy may have put its own in; code and text of the call say what is known.
            return null;
        }
    }
}
