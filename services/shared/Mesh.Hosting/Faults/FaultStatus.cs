using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Mesh.Batching;
using Status = Google.Rpc.Status;

namespace Mesh.Hosting.Faults;

/// <summary>From exceptions to google.rpc.Status and back.</summary>
public static class FaultStatus
{
    /// <summary>The trailer that carries a serialised google.rpc.Status.</summary>
    public const string Trailer = "grpc-status-details-bin";

    private static readonly TimeSpan DrainRetry = TimeSpan.FromSeconds(1);
    private static readonly TypeRegistry Known = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);

    /// <summary>
    /// The fault that an exception stands for: itself, what a peer said, a full or draining queue, a passed deadline, a cancelled call.
    /// Null: none that a caller may be told of, which is a bug of ours.
    /// </summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="deadlinePassed">Whether the call's or the work's deadline is over: then being cancelled means that.</param>
    public static MeshException? ToFault(Exception exception, bool deadlinePassed) => exception switch
    {
        MeshException fault => fault,
        QueueFullException full => MeshException.Overloaded(FaultReasons.QueueFull, full.Message, full.RetryAfter),
        DrainingException => Draining(),
        ExpiredException expired => new MeshException(StatusCode.DeadlineExceeded, FaultReasons.DeadlineExceeded, expired.Message),
        OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } when deadlinePassed => new MeshException(StatusCode.DeadlineExceeded, FaultReasons.DeadlineExceeded, "The deadline passed."),
        OperationCanceledException => new MeshException(StatusCode.Cancelled, FaultReasons.Cancelled, "The call was cancelled."),
        RpcException peer => peer.ToStatus().ToFault(),
        _ => null,
    };

    /// <summary>A fault as it travels: code, message, ErrorInfo first, then the other details.</summary>
    public static Status ToStatus(this MeshException fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        var info = new ErrorInfo { Domain = FaultReasons.Domain, Reason = fault.Reason };
        foreach (var (key, value) in fault.Metadata) info.Metadata[key] = value;
        var status = new Status { Code = (int)fault.Code, Message = fault.Message, Details = { Any.Pack(info) } };
        status.Details.AddRange(fault.Details.Select(Any.Pack));
        return status;
    }

    /// <summary>What a peer said, to be told on: its code, reason, words and those details that google.rpc defines.</summary>
    public static MeshException ToFault(this Status status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var info = status.Detail<ErrorInfo>();
        var details = status.Details.Select(x => x.Unpack(Known)).Where(x => x is not null and not ErrorInfo).ToArray();
        return new MeshException((StatusCode)status.Code, info?.Reason ?? ReasonOf((StatusCode)status.Code), status.Message, details)
        {
            Metadata = info?.Metadata.ToDictionary() ?? [],
        };
    }

    /// <summary>A status as an exception of gRPC, with the status in the trailer.</summary>
    public static RpcException ToRpcException(this Status status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var trailers = new Metadata { { Trailer, Google.Protobuf.MessageExtensions.ToByteArray(status) } };
        return new RpcException(new Grpc.Core.Status((StatusCode)status.Code, status.Message), trailers);
    }

    /// <summary>What a peer said: the status of the trailer, or code and words alone where there is none or it cannot be read.</summary>
    public static Status ToStatus(this RpcException exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        if (exception.Trailers.GetValueBytes(Trailer) is { } bytes)
        {
            try
            {
                return Status.Parser.ParseFrom(bytes);
            }
            catch (Google.Protobuf.InvalidProtocolBufferException)
            {
                // Not ours; what gRPC itself says still holds.
            }
        }
        return new Status { Code = (int)exception.StatusCode, Message = exception.Status.Detail };
    }

    /// <summary>The detail of one type, or null.</summary>
    public static T? Detail<T>(this Status status) where T : class, Google.Protobuf.IMessage<T>, new()
    {
        ArgumentNullException.ThrowIfNull(status);
        var descriptor = new T().Descriptor;
        return status.Details.FirstOrDefault(x => x.Is(descriptor))?.Unpack<T>();
    }

    /// <summary>A code's name in UPPER_SNAKE_CASE.</summary>
    private static string ReasonOf(StatusCode code) =>
        string.Concat(code.ToString().Select((x, i) => i > 0 && char.IsUpper(x) ? $"_{x}" : char.ToUpperInvariant(x).ToString()));

    internal static MeshException Draining() => MeshException.Unavailable(FaultReasons.Draining, "The service is shutting down and takes no new work.", DrainRetry);
}
