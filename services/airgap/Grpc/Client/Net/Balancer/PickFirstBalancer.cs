using Grpc.Core;
using Grpc.Net.Client.Configuration;

namespace Grpc.Net.Client.Balancer;

public sealed class PickFirstBalancerFactory : LoadBalancerFactory
{
    public PickFirstBalancerFactory()
    {
    }

    public override string Name => LoadBalancingConfig.PickFirstPolicyName;

    public override LoadBalancer Create(LoadBalancerOptions options) => new PickFirstBalancer(options.Controller);
}

/// <summary>One subchannel over all addresses: it connects to the first that answers.</summary>
internal sealed class PickFirstBalancer(IChannelControlHelper controller) : LoadBalancer
{
    private Subchannel? _subchannel;
    private IDisposable? _subscription;

    public override void UpdateChannelState(ChannelState state)
    {
        if (state.Status.StatusCode != StatusCode.OK)
        {
            if (_subchannel is null) controller.UpdateState(new BalancerState(ConnectivityState.TransientFailure, FixedPicker.Failure(state.Status)));
            return;
        }
        if (state.Addresses is not { Count: > 0 } addresses)
        {
            Drop();
            controller.UpdateState(new BalancerState(ConnectivityState.TransientFailure, FixedPicker.Failure(new Status(StatusCode.Unavailable, "Resolver returned no addresses."))));
            return;
        }
        if (_subchannel is { } known)
        {
            known.UpdateAddresses(addresses);
            return;
        }
        var subchannel = controller.CreateSubchannel(new SubchannelOptions(addresses));
        _subchannel = subchannel;
        _subscription = subchannel.OnStateChanged(changed => Follow(subchannel, changed));
        controller.UpdateState(new BalancerState(ConnectivityState.Idle, FixedPicker.Queue));
        subchannel.RequestConnection();
    }

    public override void RequestConnection() => _subchannel?.RequestConnection();

    protected override void Dispose(bool disposing)
    {
        Drop();
        base.Dispose(disposing);
    }

    private void Drop()
    {
        _subscription?.Dispose();
        _subscription = null;
        _subchannel?.Dispose();
        _subchannel = null;
    }

    private void Follow(Subchannel subchannel, SubchannelState changed)
    {
        if (!ReferenceEquals(subchannel, _subchannel) || changed.State == ConnectivityState.Shutdown) return;
        if (changed.State is ConnectivityState.Idle or ConnectivityState.TransientFailure) controller.RefreshResolver();
        SubchannelPicker picker = changed.State switch
        {
            ConnectivityState.Ready => new FixedPicker(PickResult.ForSubchannel(subchannel)),
            ConnectivityState.Idle => new ConnectingPicker(subchannel),
            ConnectivityState.TransientFailure => FixedPicker.Failure(changed.Status),
            _ => FixedPicker.Queue,
        };
        controller.UpdateState(new BalancerState(changed.State, picker));
    }

    /// <summary>The first call after a lost connection asks for a new one.</summary>
    private sealed class ConnectingPicker(Subchannel subchannel) : SubchannelPicker
    {
        public override PickResult Pick(PickContext context)
        {
            subchannel.RequestConnection();
            return PickResult.ForQueue();
        }
    }
}
