using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// A method with its interceptors around it, put together once. The interceptors are made for each call on the way in and taken back on the way out;
/// the service is made innermost, so that an interceptor that refuses a call never causes one.
/// </summary>
internal static class Pipeline
{
    internal static UnaryServerMethod<TRequest, TResponse> Unary<TService, TRequest, TResponse>(
        IGrpcServiceActivator<TService> activator, UnaryServerMethod<TService, TRequest, TResponse> method, InterceptorRegistration[] interceptors)
        where TService : class
        where TRequest : class
        where TResponse : class
    {
        return interceptors.Reverse().Aggregate(
            (UnaryServerMethod<TRequest, TResponse>)((request, context) =>
                WithServiceAsync(activator, context, (request, context, method), static (service, s) => s.method(service, s.request, s.context))),
            (next, registration) => (request, context) =>
                InterceptAsync(registration, context, (request, context, next), static (i, s) => i.UnaryServerHandler(s.request, s.context, s.next)));
    }

    internal static ClientStreamingServerMethod<TRequest, TResponse> ClientStreaming<TService, TRequest, TResponse>(
        IGrpcServiceActivator<TService> activator, ClientStreamingServerMethod<TService, TRequest, TResponse> method, InterceptorRegistration[] interceptors)
        where TService : class
        where TRequest : class
        where TResponse : class
    {
        return interceptors.Reverse().Aggregate(
            (ClientStreamingServerMethod<TRequest, TResponse>)((requests, context) =>
                WithServiceAsync(activator, context, (requests, context, method), static (service, s) => s.method(service, s.requests, s.context))),
            (next, registration) => (requests, context) =>
                InterceptAsync(
                    registration, context, (requests, context, next), static (i, s) => i.ClientStreamingServerHandler(s.requests, s.context, s.next)));
    }

    internal static ServerStreamingServerMethod<TRequest, TResponse> ServerStreaming<TService, TRequest, TResponse>(
        IGrpcServiceActivator<TService> activator, ServerStreamingServerMethod<TService, TRequest, TResponse> method, InterceptorRegistration[] interceptors)
        where TService : class
        where TRequest : class
        where TResponse : class
    {
        return interceptors.Reverse().Aggregate(
            (ServerStreamingServerMethod<TRequest, TResponse>)((request, replies, context) =>
                WithServiceAsync(
                    activator, context, (request, replies, context, method), static (service, s) => Done(s.method(service, s.request, s.replies, s.context)))),
            (next, registration) => (request, replies, context) =>
                InterceptAsync(
                    registration,
                    context,
                    (request, replies, context, next),
                    static (i, s) => Done(i.ServerStreamingServerHandler(s.request, s.replies, s.context, s.next))));
    }

    internal static DuplexStreamingServerMethod<TRequest, TResponse> DuplexStreaming<TService, TRequest, TResponse>(
        IGrpcServiceActivator<TService> activator, DuplexStreamingServerMethod<TService, TRequest, TResponse> method, InterceptorRegistration[] interceptors)
        where TService : class
        where TRequest : class
        where TResponse : class
    {
        return interceptors.Reverse().Aggregate(
            (DuplexStreamingServerMethod<TRequest, TResponse>)((requests, replies, context) =>
                WithServiceAsync(
                    activator, context, (requests, replies, context, method), static (service, s) => Done(s.method(service, s.requests, s.replies, s.context)))),
            (next, registration) => (requests, replies, context) =>
                InterceptAsync(
                    registration,
                    context,
                    (requests, replies, context, next),
                    static (i, s) => Done(i.DuplexStreamingServerHandler(s.requests, s.replies, s.context, s.next))));
    }

    /// <summary>The provider of the call's scope.</summary>
    private static IServiceProvider Services(ServerCallContext context) => context.GetHttpContext().RequestServices;

    private static Task<TResult> WithServiceAsync<TService, TState, TResult>(
        IGrpcServiceActivator<TService> activator, ServerCallContext context, TState state, Func<TService, TState, Task<TResult>> method)
        where TService : class
        => Invocation.RunAsync(activator, Services(context), state, method).AsTask();

    private static async Task<TResult> InterceptAsync<TState, TResult>(
        InterceptorRegistration registration, ServerCallContext context, TState state, Func<Interceptor, TState, Task<TResult>> handler)
    {
        var services = Services(context);
        var activator = registration.GetActivator(services);
        var handle = activator.Create(services, registration);
        try
        {
            return await handler(handle.Instance, state).ConfigureAwait(false);
        }
        finally
        {
            await activator.ReleaseAsync(handle).ConfigureAwait(false);
        }
    }

    private static async Task<bool> Done(Task task)
    {
        await task.ConfigureAwait(false);
        return true;
    }
}
