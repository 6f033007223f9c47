using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Turns the bound methods of a service definition into endpoints.</summary>
internal sealed class DefinitionBinder(ServiceMethodProviderContext<ServerServiceDefinition> context) : ServiceBinderBase
{
    private static List<object> Metadata => [new HttpMethodMetadata(["POST"], acceptCorsPreflight: true)];

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
        => context.AddUnaryMethod(method, Metadata, (_, request, call) => handler!(request, call));

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
        => context.AddClientStreamingMethod(method, Metadata, (_, requests, call) => handler!(requests, call));

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
        => context.AddServerStreamingMethod(method, Metadata, (_, request, replies, call) => handler!(request, replies, call));

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
        => context.AddDuplexStreamingMethod(method, Metadata, (_, requests, replies, call) => handler!(requests, replies, call));
}

/// <summary>A definition's handlers carry their service with them: the call's own is the definition itself.</summary>
internal sealed class DefinitionActivator(ServerServiceDefinition definition) : IGrpcServiceActivator<ServerServiceDefinition>
{
    public GrpcActivatorHandle<ServerServiceDefinition> Create(IServiceProvider serviceProvider) => new(definition, created: false, state: null);

    public ValueTask ReleaseAsync(GrpcActivatorHandle<ServerServiceDefinition> service) => default;
}
