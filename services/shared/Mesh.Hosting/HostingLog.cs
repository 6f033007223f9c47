using Microsoft.Extensions.Logging;

namespace Mesh.Hosting;

internal static partial class HostingLog
{
    [LoggerMessage(1001, LogLevel.Information, "{Service} listens for {Kind} on {Address}")]
    public static partial void Listening(ILogger logger, string service, string kind, string address);

    [LoggerMessage(1002, LogLevel.Information, "{Service} is ready")]
    public static partial void Ready(ILogger logger, string service);

    [LoggerMessage(1003, LogLevel.Information, "{Service} is not ready: {Missing}")]
    public static partial void NotReady(ILogger logger, string service, string missing);

    [LoggerMessage(1004, LogLevel.Information, "{Service} drains: {Calls} calls are running and have {Timeout} to end")]
    public static partial void Draining(ILogger logger, string service, int calls, TimeSpan timeout);

    [LoggerMessage(1005, LogLevel.Error, "Internal error {Id} in {Where}")]
    public static partial void Bug(ILogger logger, string where, string id, Exception exception);

    [LoggerMessage(1006, LogLevel.Warning, "{Calls} calls did not end in time and are cut off")]
    public static partial void CutOff(ILogger logger, int calls);
}
