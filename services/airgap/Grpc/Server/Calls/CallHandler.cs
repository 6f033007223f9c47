using System.Runtime.CompilerServices;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Answers the HTTP requests of one method.</summary>
internal interface ICallHandler
{
    Task HandleAsync(HttpContext http);
}

/// <summary>What the four call shapes share: the checks of the request, and the call's start and end.</summary>
internal abstract class CallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method, MethodOptions options, IGrpcServiceActivator<TService> activator, ILogger logger) : ICallHandler
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected Func<DeserializationContext, TRequest> Deserializer { get; } = method.RequestMarshaller.ContextualDeserializer;

    protected Action<TResponse, SerializationContext> Serializer { get; } = method.ResponseMarshaller.ContextualSerializer;

    protected IGrpcServiceActivator<TService> Activator { get; } = activator;

    public Task HandleAsync(HttpContext http)
    {
        var request = http.Request;
        if (!GrpcProtocol.IsGrpcContentType(request.ContentType))
        {
            RefuseContentType(http);
            return Task.CompletedTask;
        }

        if (!HttpProtocol.IsHttp2(request.Protocol) && !HttpProtocol.IsHttp3(request.Protocol))
        {
            ServerLog.UnsupportedRequestProtocol(logger, request.Protocol);
            GrpcProtocol.RefuseRequest(http.Response, StatusCodes.Status426UpgradeRequired, $"Request protocol '{request.Protocol}' is not supported.");
            http.Response.Headers.Upgrade = HttpProtocol.Http2;
            return Task.CompletedTask;
        }

        var call = new ServerCall(http, options, logger);
        http.Features.Set<IServerCallContextFeature>(call);
        return RunAsync(call);
    }

    /// <summary>Reads what the shape reads, runs the method, writes what it answers.</summary>
    protected abstract ValueTask InvokeAsync(ServerCall call);

    /// <summary>A stream of requests may be slow, and as long as it likes.</summary>
    protected void LiftRequestLimits(HttpContext http)
    {
        if (http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = null;

        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { } size)
        {
            if (size.IsReadOnly)
                ServerLog.MaxRequestBodySizeIsReadOnly(logger);
            else
                size.MaxRequestBodySize = null;
        }
    }

    /// <summary>A stream may outlive the general request timeout, unless its endpoint has one of its own.</summary>
    protected static void LiftRequestTimeout(HttpContext http)
    {
        if (http.Features.Get<IHttpRequestTimeoutFeature>() is not { } timeout)
            return;

        var metadata = http.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<RequestTimeoutAttribute>() is null && metadata?.GetMetadata<RequestTimeoutPolicy>() is null)
            timeout.DisableTimeout();
    }

    private async Task RunAsync(ServerCall call)
    {
        try
        {
            call.Start();
            await InvokeAsync(call).ConfigureAwait(false);
            await call.EndAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await call.FailAsync(e).ConfigureAwait(false);
        }
    }

    private void RefuseContentType(HttpContext http)
    {
        var request = http.Request;
        ServerLog.UnsupportedRequestContentType(logger, request.ContentType);
        if (GrpcProtocol.IsCorsPreflight(request))
        {
            GrpcProtocol.RefuseRequest(
                http.Response,
                StatusCodes.Status405MethodNotAllowed,
                "Unhandled CORS preflight request received. CORS may not be configured correctly in the application.");
            http.Response.Headers.Allow = HttpMethods.Post;
            return;
        }

        var error = request.ContentType is null ? "Content-Type is missing from the request." : $"Content-Type '{request.ContentType}' is not supported.";
        GrpcProtocol.RefuseRequest(http.Response, StatusCodes.Status415UnsupportedMediaType, error);
    }
}

/// <summary>A handler whose calls end as soon as the pooled state machine does.</summary>
internal static class Invocation
{
    /// <summary>Runs a method on a service made for the call, and takes the service back.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal static async ValueTask<TResult> RunAsync<TService, TState, TResult>(
        IGrpcServiceActivator<TService> activator, IServiceProvider services, TState state, Func<TService, TState, Task<TResult>> method)
        where TService : class
    {
        var handle = activator.Create(services);
        TResult result;
        try
        {
            result = await method(handle.Instance, state).ConfigureAwait(false);
        }
        catch
        {
            await activator.ReleaseAsync(handle).ConfigureAwait(false);
            throw;
        }

        await activator.ReleaseAsync(handle).ConfigureAwait(false);
        return result;
    }
}
