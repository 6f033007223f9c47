using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server;

/// <summary>One interceptor of a pipeline: its type and the arguments of its constructor.</summary>
public class InterceptorRegistration
{
    private readonly object[] _arguments;
    private ObjectFactory? _factory;
    private IGrpcInterceptorActivator? _activator;

    internal InterceptorRegistration(Type type, object[] arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        if (Array.IndexOf(arguments, null) >= 0)
            throw new ArgumentException("Interceptor arguments must not be null.", nameof(arguments));

        Type = type;
        _arguments = arguments;
    }

    /// <summary>Type of the interceptor.</summary>
    public Type Type { get; }

    /// <summary>Constructor arguments that do not come from the container.</summary>
    public IReadOnlyList<object> Arguments => _arguments;

    internal object[] ArgumentArray => _arguments;

    internal ObjectFactory Factory
        => _factory ??= ActivatorUtilities.CreateFactory(Type, _arguments.Length == 0 ? Type.EmptyTypes : Array.ConvertAll(_arguments, a => a.GetType()));

    internal IGrpcInterceptorActivator GetActivator(IServiceProvider services)
        => _activator ??= (IGrpcInterceptorActivator)services.GetRequiredService(typeof(IGrpcInterceptorActivator<>).MakeGenericType(Type));
}
