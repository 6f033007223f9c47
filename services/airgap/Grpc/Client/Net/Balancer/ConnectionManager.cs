using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary>A channel's connections: the resolver that finds addresses, the balancer that connects to them, and the picker that it gives to calls.</summary>
internal sealed class ConnectionManager : IChannelControlHelper, IDisposable
{
    /// <summary>On an address: the name that its server goes by, for <c>:authority</c> and TLS.</summary>
    public static readonly BalancerAttributesKey<string> HostOverride = new("HostOverride");

    private readonly GrpcChannel _channel;
    private readonly GrpcChannelOptions _options;
    private readonly Resolver _resolver;
    private readonly IReadOnlyList<LoadBalancerFactory> _balancerFactories;
    private readonly IBackoffPolicyFactory _backoff;
    private readonly ILogger _logger;
    private readonly TimeSpan? _connectTimeout;
    private readonly HashSet<Subchannel> _subchannels = [];
    private LoadBalancer? _balancer;
    private string? _balancerName;
    private bool _started;
    private bool _stopped;
    private volatile Snapshot _snapshot = new(ConnectivityState.Idle, FixedPicker.Queue);

    private ConnectionManager(GrpcChannel channel, GrpcChannelOptions options, Resolver resolver, TimeSpan? connectTimeout)
    {
        _channel = channel;
        _options = options;
        _resolver = resolver;
        _connectTimeout = connectTimeout;
        _logger = channel.LoggerFactory.CreateLogger<ConnectionManager>();
        _balancerFactories = [.. ChannelServices.GetAll<LoadBalancerFactory>(options), new PickFirstBalancerFactory(), new RoundRobinBalancerFactory()];
        _backoff = ChannelServices.Get<IBackoffPolicyFactory>(options) ?? new ExponentialBackoffPolicyFactory(options.InitialReconnectBackoff, options.MaxReconnectBackoff);
    }

    public ConnectivityState State => _snapshot.State;

    /// <summary>Held by all that changes state. Reentrant: a balancer may act from within a callback.</summary>
    internal object Gate { get; } = new();

    public static ConnectionManager Create(GrpcChannel channel, GrpcChannelOptions options, ChannelHttp http)
    {
        var resolver = CreateResolver(channel, options);
        return new ConnectionManager(channel, options, resolver, http.Sockets?.ConnectTimeout);
    }

    /// <summary>A subchannel for a call, waiting for one where need be.</summary>
    /// <exception cref="RpcException">There is none, and the call does not wait until there is.</exception>
    public ValueTask<PickedSubchannel> PickAsync(HttpRequestMessage request, bool waitForReady, CancellationToken cancellationToken)
    {
        var context = new PickContext { Request = request };
        var snapshot = _snapshot;
        return TryPick(snapshot, context, waitForReady, out var picked) ? new ValueTask<PickedSubchannel>(picked) : new ValueTask<PickedSubchannel>(WaitAndPickAsync(snapshot, context, waitForReady, cancellationToken));
    }

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        Start();
        while (true)
        {
            var snapshot = _snapshot;
            if (snapshot.State == ConnectivityState.Ready) return;
            ObjectDisposedException.ThrowIf(snapshot.State == ConnectivityState.Shutdown, _channel);
            if (snapshot.State == ConnectivityState.Idle) RequestConnection();
            await snapshot.Changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public async Task WaitForStateChangedAsync(ConnectivityState lastObserved, CancellationToken cancellationToken)
    {
        while (true)
        {
            var snapshot = _snapshot;
            if (snapshot.State != lastObserved) return;
            await snapshot.Changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public Subchannel CreateSubchannel(SubchannelOptions options)
    {
        var subchannel = new Subchannel(this, options.Addresses);
        lock (Gate) _subchannels.Add(subchannel);
        return subchannel;
    }

    public void UpdateState(BalancerState state)
    {
        lock (Gate)
        {
            if (!_stopped) Publish(new Snapshot(state.ConnectivityState, state.Picker));
        }
    }

    public void RefreshResolver() => _resolver.Refresh();

    public void Dispose()
    {
        lock (Gate)
        {
            if (_stopped) return;
            _stopped = true;
            _resolver.Dispose();
            _balancer?.Dispose();
            foreach (var subchannel in _subchannels.ToArray()) subchannel.Dispose();
            Publish(new Snapshot(ConnectivityState.Shutdown, FixedPicker.Failure(new Status(StatusCode.Cancelled, "gRPC call disposed."))));
        }
    }

    internal void Forget(Subchannel subchannel) => _subchannels.Remove(subchannel);

    internal IBackoffPolicy CreateBackoff() => _backoff.Create();

    internal SubchannelTransport CreateTransport(Subchannel subchannel) =>
        _connectTimeout is { } timeout ? new SocketTransport(subchannel, timeout) : new PassiveTransport();

    private static Resolver CreateResolver(GrpcChannel channel, GrpcChannelOptions options)
    {
        var address = channel.Address;
        if (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
        {
            return new StaticResolver([new BalancerAddress(address.IdnHost, address.Port)]);
        }
        var factories = ChannelServices.GetAll<ResolverFactory>(options).Append(new DnsResolverFactory(Timeout.InfiniteTimeSpan));
        var factory = factories.FirstOrDefault(known => string.Equals(known.Name, address.Scheme, StringComparison.OrdinalIgnoreCase))
            ?? throw new InvalidOperationException($"No address resolver configured for the scheme '{address.Scheme}'.");
        return factory.Create(new ResolverOptions(address, channel.IsSecure ? 443 : 80, channel.LoggerFactory, options));
    }

    private static bool TryPick(Snapshot snapshot, PickContext context, bool waitForReady, out PickedSubchannel picked)
    {
        var result = snapshot.Picker.Pick(context);
        switch (result.Type)
        {
            case PickResultType.Complete when result.Subchannel?.CurrentAddress is { } address:
                picked = new PickedSubchannel(result.Subchannel, address, result.SubchannelCallTracker);
                return true;
            case PickResultType.Fail when !waitForReady:
            case PickResultType.Drop:
                throw new RpcException(result.Status);
            default:
                picked = default;
                return false;
        }
    }

    private async Task<PickedSubchannel> WaitAndPickAsync(Snapshot snapshot, PickContext context, bool waitForReady, CancellationToken cancellationToken)
    {
        Start();
        PickedSubchannel picked;
        do
        {
            await snapshot.Changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            snapshot = _snapshot;
        }
        while (!TryPick(snapshot, context, waitForReady, out picked));
        return picked;
    }

    private void Start()
    {
        lock (Gate)
        {
            if (_started || _stopped) return;
            _started = true;
            _resolver.Start(OnResolved);
        }
        _resolver.Refresh();
    }

    private void RequestConnection()
    {
        lock (Gate) _balancer?.RequestConnection();
    }

    private void OnResolved(ResolverResult result)
    {
        lock (Gate)
        {
            if (_stopped) return;
            if (result.Status.StatusCode != StatusCode.OK) ChannelLog.ResolverFailed(_logger, _channel.Address, result.Status.Detail, result.Status.DebugException);
            try
            {
                UpdateBalancer(result);
            }
            catch (InvalidOperationException exception)
            {
                // A configuration that cannot be used; calls must not wait for a connection that nobody makes.
                ChannelLog.ServiceConfigInvalid(_logger, exception.Message);
                Publish(new Snapshot(ConnectivityState.TransientFailure, FixedPicker.Failure(new Status(StatusCode.Unavailable, exception.Message, exception))));
            }
        }
    }

    private void UpdateBalancer(ResolverResult result)
    {
        var (factory, balancing) = SelectBalancer(SelectConfig(result));
        if (_balancer is null || _balancerName != factory.Name)
        {
            _balancer?.Dispose();
            _balancer = factory.Create(new LoadBalancerOptions(this, _channel.LoggerFactory, balancing?.Inner ?? new Dictionary<string, object>()));
            _balancerName = factory.Name;
        }
        _balancer.UpdateChannelState(new ChannelState(result.Status, result.Addresses, balancing, result.Attributes));
    }

    private ServiceConfig? SelectConfig(ResolverResult result)
    {
        if (_options.DisableResolverServiceConfig) return _options.ServiceConfig;
        if (result.ServiceConfigStatus is { StatusCode: not StatusCode.OK } invalid) ChannelLog.ServiceConfigInvalid(_logger, invalid.Detail);
        if (result.ServiceConfig is not { } found) return _options.ServiceConfig;
        _channel.UseServiceConfig(found);
        return found;
    }

    private (LoadBalancerFactory Factory, LoadBalancingConfig? Config) SelectBalancer(ServiceConfig? config)
    {
        foreach (var wanted in config?.LoadBalancingConfigs ?? [])
        {
            if (_balancerFactories.FirstOrDefault(known => known.Name == wanted.PolicyName) is { } factory) return (factory, wanted);
        }
        if (config is { LoadBalancingConfigs.Count: > 0 })
        {
            throw new InvalidOperationException($"No load balancer configured for any of: {string.Join(", ", config.LoadBalancingConfigs.Select(wanted => wanted.PolicyName))}.");
        }
        return (_balancerFactories.First(known => known.Name == LoadBalancingConfig.PickFirstPolicyName), null);
    }

    private void Publish(Snapshot next)
    {
        var before = _snapshot;
        _snapshot = next;
        before.SetChanged();
    }

    /// <summary>The state at one time, and a signal that another has taken its place.</summary>
    private sealed class Snapshot(ConnectivityState state, SubchannelPicker picker)
    {
        private readonly TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConnectivityState State => state;

        public SubchannelPicker Picker => picker;

        public Task Changed => _changed.Task;

        public void SetChanged() => _changed.TrySetResult();
    }
}
