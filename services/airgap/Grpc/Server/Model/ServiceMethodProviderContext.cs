using Grpc.AspNetCore.Server.Internal;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Grpc.AspNetCore.Server.Model;

/// <summary>Collects the methods of a service while its endpoints are mapped.</summary>
public class ServiceMethodProviderContext<TService>
    where TService : class
{
    private readonly CallHandlerFactory<TService> _handlers;

    internal ServiceMethodProviderContext(CallHandlerFactory<TService> handlers, object? argument)
    {
        _handlers = handlers;
        Argument = argument;
    }

    /// <summary>What the caller of the mapping passed along, if anything.</summary>
    public object? Argument { get; }

    internal List<MethodEndpoint> Methods { get; } = [];

    /// <summary>Adds a unary method.</summary>
    public void AddUnaryMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, IList<object> metadata, UnaryServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => AddCall(method, metadata, _handlers.CreateUnary(method, invoker));

    /// <summary>Adds a client streaming method.</summary>
    public void AddClientStreamingMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, IList<object> metadata, ClientStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => AddCall(method, metadata, _handlers.CreateClientStreaming(method, invoker));

    /// <summary>Adds a server streaming method.</summary>
    public void AddServerStreamingMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, IList<object> metadata, ServerStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => AddCall(method, metadata, _handlers.CreateServerStreaming(method, invoker));

    /// <summary>Adds a duplex method.</summary>
    public void AddDuplexStreamingMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, IList<object> metadata, DuplexStreamingServerMethod<TService, TRequest, TResponse> invoker)
        where TRequest : class
        where TResponse : class
        => AddCall(method, metadata, _handlers.CreateDuplexStreaming(method, invoker));

    /// <summary>Adds a method with a route and a delegate of its own.</summary>
    public void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, RoutePattern pattern, IList<object> metadata, RequestDelegate invoker)
        where TRequest : class
        where TResponse : class
        => Methods.Add(new MethodEndpoint(method, pattern, metadata, invoker));

    private void AddCall(IMethod method, IList<object> metadata, ICallHandler handler)
        => Methods.Add(new MethodEndpoint(method, RoutePatternFactory.Parse(method.FullName), metadata, handler.HandleAsync));
}
