using Grpc.Core.Utils;

namespace Grpc.Core.Interceptors;

/// <summary>A call about to start: its method, host and options.</summary>
public struct ClientInterceptorContext<TRequest, TResponse>
    where TRequest : class
    where TResponse : class
{
    public ClientInterceptorContext(Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        Method = GrpcPreconditions.CheckNotNull(method, nameof(method));
        Host = host;
        Options = options;
    }

    public Method<TRequest, TResponse> Method { get; }

    public string? Host { get; }

    public CallOptions Options { get; }
}
