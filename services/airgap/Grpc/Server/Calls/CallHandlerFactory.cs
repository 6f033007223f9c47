using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Makes the handlers of a service's methods.</summary>
internal sealed class CallHandlerFactory<TService>(
    ILoggerFactory loggers,
    IOptions<GrpcServiceOptions> globalOptions,
    IOptions<GrpcServiceOptions<TService>> serviceOptions,
    IGrpcServiceActivator<TService> activator)
    where TService : class
{
    private readonly MethodOptions _options = MethodOptions.Create(globalOptions.Value, serviceOptions.Value);
    private readonly ILogger _logger = loggers.CreateLogger(ServerLog.CallCategory);

    internal bool IgnoreUnknownServices { get; } = globalOptions.Value.IgnoreUnknownServices ?? false;

    internal bool IgnoreUnknownMethods { get; } = serviceOptions.Value.IgnoreUnknownServices ?? globalOptions.Value.IgnoreUnknownServices ?? false;

    internal ICallHandler CreateUnary<TRequest, TResponse>(
        Method<TRequest, TResponse> method, UnaryServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => new UnaryHandler<TService, TRequest, TResponse>(method, invoker, _options, activator, _logger);

    internal ICallHandler CreateClientStreaming<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ClientStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => new ClientStreamingHandler<TService, TRequest, TResponse>(method, invoker, _options, activator, _logger);

    internal ICallHandler CreateServerStreaming<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ServerStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => new ServerStreamingHandler<TService, TRequest, TResponse>(method, invoker, _options, activator, _logger);

    internal ICallHandler CreateDuplexStreaming<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => new DuplexStreamingHandler<TService, TRequest, TResponse>(method, invoker, _options, activator, _logger);

    internal RequestDelegate CreateUnimplementedMethod() => http =>
    {
        ServerLog.MethodUnimplemented(_logger, http.Request.RouteValues["unimplementedMethod"]?.ToString());
        return AnswerUnimplemented(http, "Method is unimplemented.");
    };

    internal RequestDelegate CreateUnimplementedService() => http =>
    {
        ServerLog.ServiceUnimplemented(_logger, http.Request.RouteValues["unimplementedService"]?.ToString());
        return AnswerUnimplemented(http, "Service is unimplemented.");
    };

    private static Task AnswerUnimplemented(HttpContext http, string detail)
    {
        if (GrpcProtocol.IsCorsPreflight(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        http.Response.ContentType = GrpcProtocol.ContentType;
        GrpcProtocol.SetStatus(http.Response.Headers, new Status(StatusCode.Unimplemented, detail));
        return Task.CompletedTask;
    }
}
