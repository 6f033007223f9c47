using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary>The waits between attempts to connect or to resolve.</summary>
public interface IBackoffPolicy
{
    TimeSpan NextBackoff();
}

public interface IBackoffPolicyFactory
{
    IBackoffPolicy Create();
}

/// <summary>What a load balancer may ask of its channel.</summary>
public interface IChannelControlHelper
{
    Subchannel CreateSubchannel(SubchannelOptions options);

    void UpdateState(BalancerState state);

    void RefreshResolver();
}

/// <summary>Told of a call's start and end by the channel that picked a subchannel for it.</summary>
public interface ISubchannelCallTracker
{
    void Start();

    void Complete(CompletionContext context);
}

/// <summary>How a call ended.</summary>
public sealed class CompletionContext
{
    public CompletionContext()
    {
    }

    public BalancerAddress? Address { get; set; }

    public Exception? Error { get; set; }
}

/// <summary>A channel's state and how it picks subchannels while in it.</summary>
public sealed class BalancerState
{
    public BalancerState(ConnectivityState connectivityState, SubchannelPicker picker)
    {
        ConnectivityState = connectivityState;
        Picker = picker;
    }

    public ConnectivityState ConnectivityState { get; }

    public SubchannelPicker Picker { get; }
}

/// <summary>What a resolver found, as told to a load balancer.</summary>
public sealed class ChannelState
{
    internal ChannelState(Status status, IReadOnlyList<BalancerAddress>? addresses, LoadBalancingConfig? loadBalancingConfig, BalancerAttributes attributes)
    {
        Status = status;
        Addresses = addresses;
        LoadBalancingConfig = loadBalancingConfig;
        Attributes = attributes;
    }

    /// <summary>OK, or why there are no addresses.</summary>
    public Status Status { get; }

    public IReadOnlyList<BalancerAddress>? Addresses { get; }

    public LoadBalancingConfig? LoadBalancingConfig { get; }

    public BalancerAttributes Attributes { get; }
}

public sealed class SubchannelState
{
    internal SubchannelState(ConnectivityState state, Status status)
    {
        State = state;
        Status = status;
    }

    public ConnectivityState State { get; }

    /// <summary>Why, where the state is a failure.</summary>
    public Status Status { get; }
}

public sealed class SubchannelOptions
{
    public SubchannelOptions(IReadOnlyList<BalancerAddress> addresses) => Addresses = addresses;

    public IReadOnlyList<BalancerAddress> Addresses { get; }
}

public sealed class LoadBalancerOptions
{
    public LoadBalancerOptions(IChannelControlHelper controller, ILoggerFactory loggerFactory, IDictionary<string, object> configuration)
    {
        Controller = controller;
        LoggerFactory = loggerFactory;
        Configuration = configuration;
    }

    public IChannelControlHelper Controller { get; }

    public ILoggerFactory LoggerFactory { get; }

    public IDictionary<string, object> Configuration { get; }
}

public abstract class LoadBalancerFactory
{
    protected LoadBalancerFactory()
    {
    }

    /// <summary>The policy's name in service configurations.</summary>
    public abstract string Name { get; }

    public abstract LoadBalancer Create(LoadBalancerOptions options);
}

/// <summary>Decides which subchannels there are, and which one a call uses. The channel calls it from one thread at a time.</summary>
public abstract class LoadBalancer : IDisposable
{
    protected LoadBalancer()
    {
    }

    public abstract void UpdateChannelState(ChannelState state);

    public abstract void RequestConnection();

    public void Dispose() => Dispose(disposing: true);

    protected virtual void Dispose(bool disposing)
    {
    }
}
