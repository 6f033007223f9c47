using System.Runtime.CompilerServices;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

internal sealed class UnaryHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    UnaryServerMethod<TService, TRequest, TResponse> invoker,
    MethodOptions options,
    IGrpcServiceActivator<TService> activator,
    ILogger logger) : CallHandler<TService, TRequest, TResponse>(method, options, activator, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    private readonly UnaryServerMethod<TRequest, TResponse>? _pipeline
        = options.Interceptors.Length == 0 ? null : Pipeline.Unary(activator, invoker, options.Interceptors);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask InvokeAsync(ServerCall call)
    {
        var request = await MessageReader.ReadSingleAsync(call.Http.Request.BodyReader, call, Deserializer).ConfigureAwait(false);
        TResponse? response;
        if (_pipeline is not null)
        {
            response = await _pipeline(request, call).ConfigureAwait(false);
        }
        else
        {
            var handle = Activator.Create(call.Http.RequestServices);
            try
            {
                response = await invoker(handle.Instance, request, call).ConfigureAwait(false);
            }
            finally
            {
                await Activator.ReleaseAsync(handle).ConfigureAwait(false);
            }
        }

        await call.WriteSingleAsync(response, Serializer).ConfigureAwait(false);
    }
}

internal sealed class ClientStreamingHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    ClientStreamingServerMethod<TService, TRequest, TResponse> invoker,
    MethodOptions options,
    IGrpcServiceActivator<TService> activator,
    ILogger logger) : CallHandler<TService, TRequest, TResponse>(method, options, activator, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    private readonly ClientStreamingServerMethod<TRequest, TResponse> _pipeline = Pipeline.ClientStreaming(activator, invoker, options.Interceptors);

    protected override async ValueTask InvokeAsync(ServerCall call)
    {
        LiftRequestLimits(call.Http);
        LiftRequestTimeout(call.Http);
        var requests = new RequestStream<TRequest>(call, Deserializer);
        TResponse? response;
        try
        {
            response = await _pipeline(requests, call).ConfigureAwait(false);
        }
        finally
        {
            requests.Complete();
        }

        await call.WriteSingleAsync(response, Serializer).ConfigureAwait(false);
    }
}

internal sealed class ServerStreamingHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    ServerStreamingServerMethod<TService, TRequest, TResponse> invoker,
    MethodOptions options,
    IGrpcServiceActivator<TService> activator,
    ILogger logger) : CallHandler<TService, TRequest, TResponse>(method, options, activator, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    private readonly ServerStreamingServerMethod<TRequest, TResponse> _pipeline = Pipeline.ServerStreaming(activator, invoker, options.Interceptors);

    protected override async ValueTask InvokeAsync(ServerCall call)
    {
        LiftRequestTimeout(call.Http);
        var request = await MessageReader.ReadSingleAsync(call.Http.Request.BodyReader, call, Deserializer).ConfigureAwait(false);
        var replies = new ResponseStream<TResponse>(call, Serializer);
        try
        {
            await _pipeline(request, replies, call).ConfigureAwait(false);
        }
        finally
        {
            replies.Complete();
        }
    }
}

internal sealed class DuplexStreamingHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    DuplexStreamingServerMethod<TService, TRequest, TResponse> invoker,
    MethodOptions options,
    IGrpcServiceActivator<TService> activator,
    ILogger logger) : CallHandler<TService, TRequest, TResponse>(method, options, activator, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    private readonly DuplexStreamingServerMethod<TRequest, TResponse> _pipeline = Pipeline.DuplexStreaming(activator, invoker, options.Interceptors);

    protected override async ValueTask InvokeAsync(ServerCall call)
    {
        LiftRequestLimits(call.Http);
        LiftRequestTimeout(call.Http);
        var requests = new RequestStream<TRequest>(call, Deserializer);
        var replies = new ResponseStream<TResponse>(call, Serializer);
        try
        {
            await _pipeline(requests, replies, call).ConfigureAwait(false);
        }
        finally
        {
            requests.Complete();
            replies.Complete();
        }
    }
}
