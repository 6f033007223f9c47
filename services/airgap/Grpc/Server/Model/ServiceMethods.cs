using Grpc.Core;

namespace Grpc.AspNetCore.Server.Model
{
    /// <summary>A unary method of a service.</summary>
    public delegate Task<TResponse> UnaryServerMethod<TService, TRequest, TResponse>(TService service, TRequest request, ServerCallContext serverCallContext)
        where TService : class
        where TRequest : class
        where TResponse : class;

    /// <summary>A client streaming method of a service.</summary>
    public delegate Task<TResponse> ClientStreamingServerMethod<TService, TRequest, TResponse>(
        TService service, IAsyncStreamReader<TRequest> stream, ServerCallContext serverCallContext)
        where TService : class
        where TRequest : class
        where TResponse : class;

    /// <summary>A server streaming method of a service.</summary>
    public delegate Task ServerStreamingServerMethod<TService, TRequest, TResponse>(
        TService service, TRequest request, IServerStreamWriter<TResponse> stream, ServerCallContext serverCallContext)
        where TService : class
        where TRequest : class
        where TResponse : class;

    /// <summary>A duplex method of a service.</summary>
    public delegate Task DuplexStreamingServerMethod<TService, TRequest, TResponse>(
        TService service, IAsyncStreamReader<TRequest> input, IServerStreamWriter<TResponse> output, ServerCallContext serverCallContext)
        where TService : class
        where TRequest : class
        where TResponse : class;

    /// <summary>Finds the methods of a service.</summary>
    public interface IServiceMethodProvider<TService>
        where TService : class
    {
        /// <summary>Adds what it finds to <paramref name="context"/>.</summary>
        void OnServiceMethodDiscovery(ServiceMethodProviderContext<TService> context);
    }
}

namespace Grpc.AspNetCore.Server
{
    /// <summary>Endpoint metadata: which method of which service an endpoint calls.</summary>
    public sealed class GrpcMethodMetadata
    {
        /// <summary>Metadata of <paramref name="method"/>, implemented by <paramref name="serviceType"/>.</summary>
        public GrpcMethodMetadata(Type serviceType, IMethod method)
        {
            ArgumentNullException.ThrowIfNull(serviceType);
            ArgumentNullException.ThrowIfNull(method);
            ServiceType = serviceType;
            Method = method;
        }

        /// <summary>The type that implements the service.</summary>
        public Type ServiceType { get; }

        /// <summary>The method.</summary>
        public IMethod Method { get; }
    }

    /// <summary>The request feature that holds the call's context.</summary>
    public interface IServerCallContextFeature
    {
        /// <summary>The call's context.</summary>
        ServerCallContext ServerCallContext { get; }
    }
}
