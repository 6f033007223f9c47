using Grpc.Core;

namespace Grpc.Net.Client.Balancer;

/// <summary>What makes a subchannel's connections.</summary>
internal abstract class SubchannelTransport
{
    public abstract BalancerAddress? CurrentAddress { get; }

    /// <summary>Connects to the first address that answers; null where one did, else why none.</summary>
    public abstract Task<Status?> ConnectAsync(IReadOnlyList<BalancerAddress> addresses, CancellationToken cancellationToken);

    public abstract void Disconnect();
}

/// <summary>For HTTP handlers that make connections of their own: takes the first address for reachable, and lets calls find out.</summary>
internal sealed class PassiveTransport : SubchannelTransport
{
    private volatile BalancerAddress? _current;

    public override BalancerAddress? CurrentAddress => _current;

    public override Task<Status?> ConnectAsync(IReadOnlyList<BalancerAddress> addresses, CancellationToken cancellationToken)
    {
        _current = addresses[0];
        return Task.FromResult<Status?>(null);
    }

    public override void Disconnect() => _current = null;
}
