using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Mesh.Hosting.Faults;

/// <summary>Makes a status of any exception; what is a bug of ours is logged under an id, and the caller gets the id alone.</summary>
public sealed class FaultReporter(ILogger<FaultReporter> logger)
{
    /// <summary>The fault that a caller is told of.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="deadlinePassed">Whether the call's or the work's deadline is over.</param>
    /// <param name="where">What ran, for the log, such as the method's name.</param>
    public MeshException Report(Exception exception, bool deadlinePassed, string where)
    {
        if (FaultStatus.ToFault(exception, deadlinePassed) is { } fault) return fault;
        var id = Guid.NewGuid().ToString("N");
        HostingLog.Bug(logger, where, id, exception);
        return new MeshException(StatusCode.Internal, FaultReasons.Internal, $"Internal error {id}.")
        {
            Metadata = new Dictionary<string, string> { [FaultReasons.ErrorId] = id },
        };
    }
}
