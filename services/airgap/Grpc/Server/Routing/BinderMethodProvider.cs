using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Finds a service's methods through the bind method that its generated base class names.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "The container creates it.")]
internal sealed class BinderMethodProvider<TService> : IServiceMethodProvider<TService>
    where TService : class
{
    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<TService> context)
    {
        if (BindMethod.Find(typeof(TService)) is not { } bind)
            return;

        // The bind method takes a null service: it then only names the methods.
        try
        {
            bind.Invoke(null, [new MethodBinder<TService>(context, bind.GetParameters()[1].ParameterType), null]);
        }
        catch (TargetInvocationException e)
        {
            throw new InvalidOperationException($"Error binding gRPC service '{typeof(TService).Name}'.", e.InnerException ?? e);
        }
    }
}

internal static class BindMethod
{
    /// <summary>The generated static BindService(ServiceBinderBase, TBase) of a service type; null where it is no gRPC service.</summary>
    internal static MethodInfo? Find(Type service)
    {
        for (var type = service; type is not null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } attribute)
            {
                return attribute.BindType
                    .GetMethods(BindingFlags.Public | BindingFlags.Static)
                    .FirstOrDefault(m => m.Name == attribute.BindMethodName
                        && m.GetParameters() is [var binder, var implementation]
                        && binder.ParameterType == typeof(ServiceBinderBase)
                        && implementation.ParameterType.IsAssignableFrom(service));
            }
        }

        return null;
    }
}

/// <summary>Turns the methods that a bind method names into calls on instances of the service.</summary>
internal sealed class MethodBinder<TService>(ServiceMethodProviderContext<TService> context, Type declaringType) : ServiceBinderBase
    where TService : class
{
    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var (invoker, metadata) = Create<UnaryServerMethod<TService, TRequest, TResponse>>(method.Name, [typeof(TRequest), typeof(ServerCallContext)]);
        context.AddUnaryMethod(method, metadata, invoker);
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (invoker, metadata) = Create<ClientStreamingServerMethod<TService, TRequest, TResponse>>(
            method.Name, [typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext)]);
        context.AddClientStreamingMethod(method, metadata, invoker);
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (invoker, metadata) = Create<ServerStreamingServerMethod<TService, TRequest, TResponse>>(
            method.Name, [typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext)]);
        context.AddServerStreamingMethod(method, metadata, invoker);
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (invoker, metadata) = Create<DuplexStreamingServerMethod<TService, TRequest, TResponse>>(
            method.Name, [typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext)]);
        context.AddDuplexStreamingMethod(method, metadata, invoker);
    }

    private (TDelegate Invoker, List<object> Metadata) Create<TDelegate>(string name, Type[] parameters)
        where TDelegate : Delegate
    {
        var found = Find(name, parameters) ?? throw new InvalidOperationException($"Could not find '{name}' on {typeof(TService)}.");

        // The last wins where one alone is asked for, so that a method's attributes go after its type's.
        List<object> metadata = [.. typeof(TService).GetCustomAttributes(inherit: true), .. found.GetCustomAttributes(inherit: true)];
        metadata.Add(new HttpMethodMetadata(["POST"], acceptCorsPreflight: true));
        return (found.CreateDelegate<TDelegate>(), metadata);
    }

    /// <summary>The most derived method of the name that overrides the generated one.</summary>
    private MethodInfo? Find(string name, Type[] parameters)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        for (var type = typeof(TService); type is not null; type = type.BaseType)
        {
            // A method that hides the generated one, without overriding it, is none of the service's.
            var method = type.GetMethod(name, Declared, parameters);
            if (method is not null && (type == declaringType || method.GetBaseDefinition().DeclaringType == declaringType))
                return method;

            if (type == declaringType)
                break;
        }

        return null;
    }
}
