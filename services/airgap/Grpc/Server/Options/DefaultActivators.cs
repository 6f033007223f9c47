using System.Diagnostics.CodeAnalysis;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Takes a service from the container, or makes one for the call where the container has none.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "The container creates it.")]
internal sealed class DefaultServiceActivator<TGrpcService>(IOptions<GrpcServiceOptions<TGrpcService>> options) : IGrpcServiceActivator<TGrpcService>
    where TGrpcService : class
{
    private static readonly Lazy<ObjectFactory<TGrpcService>> Factory = new(() => ActivatorUtilities.CreateFactory<TGrpcService>(Type.EmptyTypes));
    private readonly bool _mustExist = options.Value.SuppressCreatingService;

    public GrpcActivatorHandle<TGrpcService> Create(IServiceProvider serviceProvider)
    {
        var service = serviceProvider.GetService<TGrpcService>();
        if (service is not null)
            return new GrpcActivatorHandle<TGrpcService>(service, created: false, state: null);

        if (_mustExist)
        {
            throw new InvalidOperationException(
                $"No service of type '{typeof(TGrpcService).FullName}' has been registered, and creating it is suppressed.");
        }

        return new GrpcActivatorHandle<TGrpcService>(Factory.Value(serviceProvider, []), created: true, state: null);
    }

    public ValueTask ReleaseAsync(GrpcActivatorHandle<TGrpcService> service)
        => service.Created ? Activations.DisposeAsync(service.Instance) : default;
}

/// <summary>Takes an interceptor without arguments from the container, or makes one for the call.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "The container creates it.")]
internal sealed class DefaultInterceptorActivator<TInterceptor> : IGrpcInterceptorActivator<TInterceptor>
    where TInterceptor : Interceptor
{
    public GrpcActivatorHandle<Interceptor> Create(IServiceProvider serviceProvider, InterceptorRegistration interceptorRegistration)
    {
        if (interceptorRegistration.ArgumentArray.Length == 0)
        {
            var known = serviceProvider.GetService<TInterceptor>();
            if (known is not null)
                return new GrpcActivatorHandle<Interceptor>(known, created: false, state: null);
        }

        var made = (Interceptor)interceptorRegistration.Factory(serviceProvider, interceptorRegistration.ArgumentArray);
        return new GrpcActivatorHandle<Interceptor>(made, created: true, state: null);
    }

    public ValueTask ReleaseAsync(GrpcActivatorHandle<Interceptor> interceptor)
        => interceptor.Created ? Activations.DisposeAsync(interceptor.Instance) : default;
}

internal static class Activations
{
    internal static ValueTask DisposeAsync(object instance)
    {
        if (instance is IAsyncDisposable asynchronous)
            return asynchronous.DisposeAsync();

        (instance as IDisposable)?.Dispose();
        return default;
    }
}
