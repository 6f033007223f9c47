using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

internal static partial class ServerLog
{
    internal const string CallCategory = "Grpc.AspNetCore.Server.ServerCallHandler";

    [LoggerMessage(1, LogLevel.Information, "Request content-type of '{ContentType}' is not supported.")]
    internal static partial void UnsupportedRequestContentType(ILogger logger, string? contentType);

    [LoggerMessage(2, LogLevel.Information, "Request protocol of '{Protocol}' is not supported.")]
    internal static partial void UnsupportedRequestProtocol(ILogger logger, string protocol);

    [LoggerMessage(6, LogLevel.Error, "Error when executing service method '{ServiceMethod}'.")]
    internal static partial void ErrorExecutingServiceMethod(ILogger logger, string serviceMethod, Exception exception);

    [LoggerMessage(7, LogLevel.Information, "Error status code '{StatusCode}' with detail '{Detail}' raised.")]
    internal static partial void RpcConnectionError(ILogger logger, StatusCode statusCode, string? detail, Exception? exception);

    [LoggerMessage(8, LogLevel.Information, "Service method '{ServiceMethod}' canceled.")]
    internal static partial void ServiceMethodCanceled(ILogger logger, string serviceMethod, Exception exception);

    [LoggerMessage(9, LogLevel.Debug, "The grpc-timeout header '{Timeout}' is invalid and is ignored.")]
    internal static partial void InvalidTimeoutIgnored(ILogger logger, string timeout);

    [LoggerMessage(10, LogLevel.Debug, "Request with timeout of {Timeout} has exceeded its deadline.")]
    internal static partial void DeadlineExceeded(ILogger logger, TimeSpan timeout);

    [LoggerMessage(11, LogLevel.Error, "Error while ending a call at its deadline.")]
    internal static partial void DeadlineCancellationError(ILogger logger, Exception exception);

    [LoggerMessage(12, LogLevel.Information, "Service '{ServiceName}' is unimplemented.")]
    internal static partial void ServiceUnimplemented(ILogger logger, string? serviceName);

    [LoggerMessage(13, LogLevel.Information, "Method '{MethodName}' is unimplemented.")]
    internal static partial void MethodUnimplemented(ILogger logger, string? methodName);

    [LoggerMessage(14, LogLevel.Warning, "No service methods discovered for {ServiceType}.")]
    internal static partial void NoServiceMethodsDiscovered(ILogger logger, Type serviceType);

    [LoggerMessage(15, LogLevel.Debug, "The maximum request body size cannot be lifted: the body is being read already.")]
    internal static partial void MaxRequestBodySizeIsReadOnly(ILogger logger);
}
