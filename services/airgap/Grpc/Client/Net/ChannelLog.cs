using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

internal static partial class ChannelLog
{
    [LoggerMessage(1, LogLevel.Warning, "The configured CallCredentials were not used because the channel does not use TLS.")]
    public static partial void CallCredentialsNotUsed(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "Resolving {Address} failed: {Detail}")]
    public static partial void ResolverFailed(ILogger logger, Uri? address, string detail, Exception? exception);

    [LoggerMessage(3, LogLevel.Debug, "Subchannel {Subchannel} is {State}: {Detail}")]
    public static partial void SubchannelStateChanged(ILogger logger, string subchannel, Core.ConnectivityState state, string detail);

    [LoggerMessage(4, LogLevel.Debug, "Attempt {Attempt} of {Method} ended with {Code}; another follows in {DelayMs} ms.")]
    public static partial void Retrying(ILogger logger, int attempt, string method, Core.StatusCode code, long delayMs);

    [LoggerMessage(5, LogLevel.Warning, "The service configuration that the resolver found is not valid: {Detail}")]
    public static partial void ServiceConfigInvalid(ILogger logger, string detail);
}
