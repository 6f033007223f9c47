using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary>Finds the addresses that a channel's address stands for, and tells when they change.</summary>
public abstract class Resolver : IDisposable
{
    protected Resolver()
    {
    }

    /// <summary>Called once; the listener gets each result.</summary>
    public abstract void Start(Action<ResolverResult> listener);

    /// <summary>A hint that the addresses may be out of date.</summary>
    public virtual void Refresh()
    {
    }

    public void Dispose() => Dispose(disposing: true);

    protected virtual void Dispose(bool disposing)
    {
    }
}

public sealed class ResolverResult
{
    private ResolverResult(Status status, IReadOnlyList<BalancerAddress>? addresses, ServiceConfig? serviceConfig, Status? serviceConfigStatus)
    {
        Status = status;
        Addresses = addresses;
        ServiceConfig = serviceConfig;
        ServiceConfigStatus = serviceConfigStatus;
    }

    public Status Status { get; }

    public IReadOnlyList<BalancerAddress>? Addresses { get; }

    public ServiceConfig? ServiceConfig { get; }

    /// <summary>Not OK: a configuration was found and is not valid.</summary>
    public Status? ServiceConfigStatus { get; }

    public BalancerAttributes Attributes { get; } = new();

    public static ResolverResult ForFailure(Status status) => status.StatusCode == StatusCode.OK
        ? throw new ArgumentException("A failed result needs a status other than OK.", nameof(status))
        : new ResolverResult(status, null, null, null);

    public static ResolverResult ForResult(IReadOnlyList<BalancerAddress> addresses) => ForResult(addresses, null, null);

    public static ResolverResult ForResult(IReadOnlyList<BalancerAddress> addresses, ServiceConfig? serviceConfig, Status? serviceConfigStatus) =>
        new(Status.DefaultSuccess, addresses, serviceConfig, serviceConfigStatus);
}

public sealed class ResolverOptions
{
    internal ResolverOptions(Uri address, int defaultPort, ILoggerFactory loggerFactory, GrpcChannelOptions channelOptions)
    {
        Address = address;
        DefaultPort = defaultPort;
        LoggerFactory = loggerFactory;
        ChannelOptions = channelOptions;
    }

    public Uri Address { get; }

    /// <summary>443 for a channel with TLS, else 80.</summary>
    public int DefaultPort { get; }

    public bool DisableServiceConfig => ChannelOptions.DisableResolverServiceConfig;

    public ILoggerFactory LoggerFactory { get; }

    public GrpcChannelOptions ChannelOptions { get; }
}

public abstract class ResolverFactory
{
    protected ResolverFactory()
    {
    }

    /// <summary>The scheme of the addresses that it is for.</summary>
    public abstract string Name { get; }

    public abstract Resolver Create(ResolverOptions options);
}

/// <summary><c>static:///</c>: addresses that the program knows.</summary>
public sealed class StaticResolverFactory : ResolverFactory
{
    private readonly Func<Uri, IEnumerable<BalancerAddress>> _addressesCallback;

    public StaticResolverFactory(Func<Uri, IEnumerable<BalancerAddress>> addressesCallback)
    {
        ArgumentNullException.ThrowIfNull(addressesCallback);
        _addressesCallback = addressesCallback;
    }

    public override string Name => "static";

    public override Resolver Create(ResolverOptions options) => new StaticResolver([.. _addressesCallback(options.Address)]);
}

internal sealed class StaticResolver(IReadOnlyList<BalancerAddress> addresses) : Resolver
{
    public override void Start(Action<ResolverResult> listener) => listener(ResolverResult.ForResult(addresses));
}
