using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.ClientFactory;

/// <summary>One channel a registered client, made when first asked for.</summary>
internal sealed class ChannelCache(IHttpMessageHandlerFactory handlers, IServiceProvider services, ILoggerFactory? loggerFactory = null) : IDisposable
{
    private readonly ConcurrentDictionary<(string Name, Type Client), Lazy<(GrpcChannel Channel, CallInvoker Invoker)>> _channels = new();

    public CallInvoker GetInvoker(string name, Type client, GrpcClientFactoryOptions options) =>
        _channels.GetOrAdd((name, client), _ => new(() => Create(name, client, options))).Value.Invoker;

    /// <summary>Puts the interceptors of one scope in front, the first registered outermost.</summary>
    public static CallInvoker Intercept(CallInvoker invoker, GrpcClientFactoryOptions options, InterceptorScope scope, IServiceProvider services)
    {
        foreach (var registration in options.InterceptorRegistrations.Where(registered => registered.Scope == scope).Reverse())
        {
            invoker = invoker.Intercept(registration.Creator(services));
        }
        return invoker;
    }

    public void Dispose()
    {
        foreach (var channel in _channels.Values.Where(made => made.IsValueCreated)) channel.Value.Channel.Dispose();
    }

    private (GrpcChannel Channel, CallInvoker Invoker) Create(string name, Type client, GrpcClientFactoryOptions options)
    {
        var address = options.Address ?? throw new InvalidOperationException(
            $"Could not resolve the address for gRPC client '{name}'. Set it when registering the client: services.AddGrpcClient<{client.Name}>(o => o.Address = new Uri(...))");
        var channelOptions = new GrpcChannelOptions { HttpHandler = handlers.CreateHandler(name), LoggerFactory = loggerFactory, ServiceProvider = services };
        foreach (var configure in options.ChannelOptionsActions) configure(channelOptions);
        var channel = GrpcChannel.ForAddress(address, channelOptions);
        var invoker = channel.CreateCallInvoker().Intercept([.. options.Interceptors]);
        return (channel, Intercept(invoker, options, InterceptorScope.Channel, services));
    }
}

/// <summary>Which names stand for which clients.</summary>
internal sealed class ClientRegistry
{
    private readonly Dictionary<string, Type> _clients = new(StringComparer.Ordinal);

    public bool Contains(string name) => _clients.ContainsKey(name);

    public void Add(string name, Type client)
    {
        if (_clients.TryGetValue(name, out var other) && other != client)
        {
            throw new InvalidOperationException($"The gRPC client name '{name}' is already registered for {other}; give {client} another name.");
        }
        _clients[name] = client;
    }

    public void Check(string name, Type client)
    {
        if (!_clients.TryGetValue(name, out var known) || known != client) throw new InvalidOperationException($"No gRPC client configured with name '{name}'.");
    }
}
