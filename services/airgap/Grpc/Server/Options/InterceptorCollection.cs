using System.Collections.ObjectModel;
using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server;

/// <summary>Interceptors in the order in which they see a call.</summary>
public class InterceptorCollection : Collection<InterceptorRegistration>
{
    /// <summary>Adds an interceptor; <paramref name="args"/> fill the constructor parameters that the container does not.</summary>
    public void Add<TInterceptor>(params object[] args)
        where TInterceptor : Interceptor
        => Add(typeof(TInterceptor), args);

    /// <summary>Adds an interceptor; <paramref name="args"/> fill the constructor parameters that the container does not.</summary>
    /// <exception cref="ArgumentException">The type is no <see cref="Interceptor"/>.</exception>
    public void Add(Type interceptorType, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(interceptorType);
        if (!interceptorType.IsSubclassOf(typeof(Interceptor)))
            throw new ArgumentException($"{interceptorType.FullName} does not derive from {typeof(Interceptor).FullName}.", nameof(interceptorType));

        Add(new InterceptorRegistration(interceptorType, args));
    }
}
