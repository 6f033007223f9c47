using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grpc.Net.ClientFactory;

/// <summary>Makes clients by the name that they were registered with.</summary>
public abstract class GrpcClientFactory
{
    protected GrpcClientFactory()
    {
    }

    public abstract TClient CreateClient<TClient>(string name)
        where TClient : class;
}

internal sealed class DefaultGrpcClientFactory(
    IServiceProvider services, ClientRegistry registry, ChannelCache channels, IOptionsMonitor<GrpcClientFactoryOptions> options) : GrpcClientFactory
{
    public override TClient CreateClient<TClient>(string name)
    {
        registry.Check(name, typeof(TClient));
        var chosen = options.Get(name);
        var invoker = channels.GetInvoker(name, typeof(TClient), chosen);
        invoker = ChannelCache.Intercept(invoker, chosen, InterceptorScope.Client, services);
        if (chosen.CallOptionsActions.Count > 0) invoker = new OptionsCallInvoker(invoker, chosen.CallOptionsActions, services);
        return chosen.Creator is { } create
            ? create(invoker) as TClient ?? throw new InvalidOperationException($"The creator of the gRPC client '{name}' made no {typeof(TClient)}.")
            : Activator<TClient>.Create(services, [invoker]);
    }

    private static class Activator<TClient>
    {
        public static readonly ObjectFactory<TClient> Create = ActivatorUtilities.CreateFactory<TClient>([typeof(CallInvoker)]);
    }
}
