using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server;

/// <summary>An instance that an activator gave out, with what it needs to take it back.</summary>
public readonly struct GrpcActivatorHandle<T>
{
    /// <summary>A handle; <paramref name="created"/> says that the activator made the instance and so disposes it.</summary>
    public GrpcActivatorHandle(T instance, bool created, object? state)
    {
        Instance = instance;
        Created = created;
        State = state;
    }

    /// <summary>The instance.</summary>
    public T Instance { get; }

    /// <summary>Whether the activator made it.</summary>
    public bool Created { get; }

    /// <summary>The activator's own.</summary>
    public object? State { get; }
}

/// <summary>Gives out a service for a call and takes it back.</summary>
public interface IGrpcServiceActivator<TGrpcService>
    where TGrpcService : class
{
    /// <summary>The service for a call.</summary>
    GrpcActivatorHandle<TGrpcService> Create(IServiceProvider serviceProvider);

    /// <summary>Ends the service's use; disposes one that was created.</summary>
    ValueTask ReleaseAsync(GrpcActivatorHandle<TGrpcService> service);
}

/// <summary>Gives out an interceptor for a call and takes it back.</summary>
public interface IGrpcInterceptorActivator
{
    /// <summary>The interceptor for a call.</summary>
    GrpcActivatorHandle<Interceptor> Create(IServiceProvider serviceProvider, InterceptorRegistration interceptorRegistration);

    /// <summary>Ends the interceptor's use; disposes one that was created.</summary>
    ValueTask ReleaseAsync(GrpcActivatorHandle<Interceptor> interceptor);
}

/// <summary>The activator of one type of interceptor.</summary>
public interface IGrpcInterceptorActivator<TInterceptor> : IGrpcInterceptorActivator
    where TInterceptor : Interceptor
{
}
