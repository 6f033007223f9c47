using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Mesh.Hosting.Faults;

/// <summary>
/// A fault that a caller is told of: a status code, a reason for programs, words for developers, and details. Services throw it; the
/// interceptor, or <see cref="FaultStatus"/> for one piece of work, makes a google.rpc.Status of it.
/// </summary>
/// <param name="code">The call's status code.</param>
/// <param name="reason">UPPER_SNAKE_CASE, stable; the reason of the ErrorInfo.</param>
/// <param name="message">What is wrong and what would help, in English, for developers.</param>
/// <param name="details">Messages of google.rpc, at most one of each type, ErrorInfo left out.</param>
public sealed class MeshException(StatusCode code, string reason, string message, params IMessage[] details) : Exception(message)
{
    /// <summary>Of the call or of the piece of work.</summary>
    public StatusCode Code { get; } = code;

    /// <summary>For programs.</summary>
    public string Reason { get; } = reason;

    /// <summary>Besides ErrorInfo.</summary>
    public IReadOnlyList<IMessage> Details { get; } = details;

    /// <summary>Further facts of the ErrorInfo: keys in lowerCamelCase.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>One field of the request is wrong.</summary>
    /// <param name="field">Its path in the proto, such as <c>loras[0].weight</c>.</param>
    /// <param name="description">What is wrong with it.</param>
    public static MeshException InvalidArgument(string field, string description) => InvalidArguments([(field, description)]);

    /// <summary>Several fields of the request are wrong; at least one.</summary>
    public static MeshException InvalidArguments(IReadOnlyCollection<(string Field, string Description)> violations)
    {
        var bad = new BadRequest();
        bad.FieldViolations.AddRange(violations.Select(x => new BadRequest.Types.FieldViolation { Field = x.Field, Description = x.Description }));
        return new(StatusCode.InvalidArgument, FaultReasons.InvalidArgument, string.Join("; ", violations.Select(x => $"{x.Field}: {x.Description}")), bad);
    }

    /// <summary>What the request names does not exist.</summary>
    /// <param name="kind">Its kind, such as <c>model</c>.</param>
    /// <param name="name">The name that the caller used.</param>
    /// <param name="message">The words; a plain sentence where null.</param>
    public static MeshException NotFound(string kind, string name, string? message = null) =>
        new(StatusCode.NotFound, $"{kind.ToUpperInvariant()}_NOT_FOUND", message ?? $"There is no {kind} '{name}'.", new ResourceInfo { ResourceType = kind, ResourceName = name });

    /// <summary>Something must be done before this can work, such as installing weights.</summary>
    /// <param name="type">Such as <c>MODEL_NOT_INSTALLED</c>; also the reason.</param>
    /// <param name="subject">What it is about.</param>
    /// <param name="description">What to do; also the message.</param>
    public static MeshException FailedPrecondition(string type, string subject, string description) =>
        new(StatusCode.FailedPrecondition, type, description,
            new PreconditionFailure { Violations = { new PreconditionFailure.Types.Violation { Type = type, Subject = subject, Description = description } } });

    /// <summary>A queue or a limit of the mesh is full now; the same call may be made again.</summary>
    public static MeshException Overloaded(string reason, string message, TimeSpan retryAfter) =>
        new(StatusCode.ResourceExhausted, reason, message, Retry(retryAfter));

    /// <summary>A caller's own limit is used up.</summary>
    /// <param name="reason">For programs.</param>
    /// <param name="subject">Whose, such as <c>caller:studio</c>.</param>
    /// <param name="message">What is used up, and when there is more.</param>
    /// <param name="retryAfter">When there is more; null where waiting does not help.</param>
    public static MeshException QuotaExceeded(string reason, string subject, string message, TimeSpan? retryAfter)
    {
        var quota = new QuotaFailure { Violations = { new QuotaFailure.Types.Violation { Subject = subject, Description = message } } };
        return new(StatusCode.ResourceExhausted, reason, message, retryAfter is { } after ? [quota, Retry(after)] : [quota]);
    }

    /// <summary>Not now; most likely soon, or on another replica.</summary>
    public static MeshException Unavailable(string reason, string message, TimeSpan? retryAfter = null) =>
        new(StatusCode.Unavailable, reason, message, retryAfter is { } after ? [Retry(after)] : []);

    /// <summary>The caller did not prove who it is.</summary>
    public static MeshException Unauthenticated(string message) => new(StatusCode.Unauthenticated, FaultReasons.Unauthenticated, message);

    private static RetryInfo Retry(TimeSpan after) => new() { RetryDelay = Duration.FromTimeSpan(after) };
}
