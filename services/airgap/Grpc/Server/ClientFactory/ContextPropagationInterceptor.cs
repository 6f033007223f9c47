using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.ClientFactory.Internal;

/// <summary>Passes the deadline and the cancellation of the call being served on to the calls that it makes.</summary>
internal sealed class ContextPropagationInterceptor(GrpcContextPropagationOptions options, IHttpContextAccessor accessor) : Interceptor
{
    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var inner = Propagate(context, out var linked);
        using (linked)
            return continuation(request, inner);
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(request, Propagate(context, out var linked));
        return linked is null
            ? call
            : new AsyncUnaryCall<TResponse>(
                call.ResponseAsync, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, () => Dispose(call.Dispose, linked));
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(Propagate(context, out var linked));
        return linked is null
            ? call
            : new AsyncClientStreamingCall<TRequest, TResponse>(
                call.RequestStream,
                call.ResponseAsync,
                call.ResponseHeadersAsync,
                call.GetStatus,
                call.GetTrailers,
                () => Dispose(call.Dispose, linked));
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(request, Propagate(context, out var linked));
        return linked is null
            ? call
            : new AsyncServerStreamingCall<TResponse>(
                call.ResponseStream, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, () => Dispose(call.Dispose, linked));
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(Propagate(context, out var linked));
        return linked is null
            ? call
            : new AsyncDuplexStreamingCall<TRequest, TResponse>(
                call.RequestStream,
                call.ResponseStream,
                call.ResponseHeadersAsync,
                call.GetStatus,
                call.GetTrailers,
                () => Dispose(call.Dispose, linked));
    }

    private static void Dispose(Action call, CancellationTokenSource linked)
    {
        call();
        linked.Dispose();
    }

    /// <summary>The nearer deadline of the two, and a token that either call's end cancels; the source to dispose where one had to be made.</summary>
    private ClientInterceptorContext<TRequest, TResponse> Propagate<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, out CancellationTokenSource? linked)
        where TRequest : class
        where TResponse : class
    {
        linked = null;
        if (FindServerCall() is not { } server)
            return context;

        var call = context.Options;
        if (server.Deadline < (call.Deadline ?? DateTime.MaxValue))
            call = call.WithDeadline(server.Deadline);

        if (server.CancellationToken.CanBeCanceled)
        {
            if (call.CancellationToken.CanBeCanceled)
                linked = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, server.CancellationToken);

            call = call.WithCancellationToken(linked?.Token ?? server.CancellationToken);
        }

        return new ClientInterceptorContext<TRequest, TResponse>(context.Method, context.Host, call);
    }

    private ServerCallContext? FindServerCall()
    {
        var call = accessor.HttpContext?.Features.Get<IServerCallContextFeature>()?.ServerCallContext;
        if (call is null && !options.SuppressContextNotFoundErrors)
        {
            throw new InvalidOperationException(
                accessor.HttpContext is null
                    ? "Unable to propagate server context values to the call. Can't find the current HttpContext."
                    : "Unable to propagate server context values to the call. Can't find the gRPC ServerCallContext on the current HttpContext.");
        }

        return call;
    }
}
