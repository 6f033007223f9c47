namespace Mesh.Hosting.Faults;

/// <summary>Reasons that every service may give, in ErrorInfo of the domain <see cref="Domain"/>.</summary>
public static class FaultReasons
{
    /// <summary>Who defines the reasons.</summary>
    public const string Domain = "mesh";

    /// <summary>BadRequest names the fields.</summary>
    public const string InvalidArgument = "INVALID_ARGUMENT";

    /// <summary>A stage's queue holds all that it may.</summary>
    public const string QueueFull = "QUEUE_FULL";

    /// <summary>The process is going down.</summary>
    public const string Draining = "DRAINING";

    /// <summary>The deadline passed.</summary>
    public const string DeadlineExceeded = "DEADLINE_EXCEEDED";

    /// <summary>The caller gave up.</summary>
    public const string Cancelled = "CANCELLED";

    /// <summary>No key, or a wrong one.</summary>
    public const string Unauthenticated = "UNAUTHENTICATED";

    /// <summary>A bug; the metadata's errorId finds it in the log.</summary>
    public const string Internal = "INTERNAL";

    /// <summary>The metadata key of an internal error's id.</summary>
    public const string ErrorId = "errorId";
}
