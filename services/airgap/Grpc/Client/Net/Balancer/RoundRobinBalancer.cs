using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

public sealed class RoundRobinBalancerFactory : LoadBalancerFactory
{
    public RoundRobinBalancerFactory()
    {
    }

    public override string Name => LoadBalancingConfig.RoundRobinPolicyName;

    public override LoadBalancer Create(LoadBalancerOptions options) => new RoundRobinBalancer(options.Controller, options.LoggerFactory);
}

internal sealed class RoundRobinBalancer(IChannelControlHelper controller, ILoggerFactory loggerFactory) : SubchannelsLoadBalancer(controller, loggerFactory)
{
    protected override SubchannelPicker CreatePicker(IReadOnlyList<Subchannel> readySubchannels) =>
        new Picker([.. readySubchannels.Select(subchannel => PickResult.ForSubchannel(subchannel))]);

    private sealed class Picker(PickResult[] results) : SubchannelPicker
    {
        // Clients that start together should not all begin at the first server.
        private int _next = Random.Shared.Next(results.Length);

        public override PickResult Pick(PickContext context) => results[(uint)Interlocked.Increment(ref _next) % (uint)results.Length];
    }
}
