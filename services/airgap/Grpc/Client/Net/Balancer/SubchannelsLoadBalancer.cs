using System.Net;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Balancer;

/// <summary>A balancer with one subchannel an address, all kept connected; derived classes say how to pick among those that are.</summary>
public abstract class SubchannelsLoadBalancer : LoadBalancer
{
    private readonly List<Entry> _entries = [];
    private readonly ILogger _logger;

    protected SubchannelsLoadBalancer(IChannelControlHelper controller, ILoggerFactory loggerFactory)
    {
        Controller = controller;
        _logger = loggerFactory.CreateLogger(GetType());
    }

    protected IChannelControlHelper Controller { get; }

    protected ConnectivityState State { get; private set; }

    public override void UpdateChannelState(ChannelState state)
    {
        if (state.Status.StatusCode != StatusCode.OK)
        {
            if (_entries.Count == 0) Publish(ConnectivityState.TransientFailure, FixedPicker.Failure(state.Status));
            return;
        }
        if (state.Addresses is not { Count: > 0 } addresses)
        {
            foreach (var entry in _entries) entry.Dispose();
            _entries.Clear();
            Publish(ConnectivityState.TransientFailure, FixedPicker.Failure(new Status(StatusCode.Unavailable, "Resolver returned no addresses.")));
            return;
        }

        var before = _entries.ToDictionary(entry => entry.EndPoint);
        var added = new List<Entry>();
        _entries.Clear();
        foreach (var address in addresses)
        {
            if (_entries.Any(entry => entry.EndPoint.Equals(address.EndPoint))) continue;
            if (!before.Remove(address.EndPoint, out var entry))
            {
                entry = new Entry(address.EndPoint, Controller.CreateSubchannel(new SubchannelOptions([address])));
                added.Add(entry);
            }
            _entries.Add(entry);
        }
        foreach (var gone in before.Values) gone.Dispose();
        foreach (var entry in added) entry.Subscription = entry.Subchannel.OnStateChanged(changed => Follow(entry, changed));
        Aggregate();
        foreach (var entry in added) entry.Subchannel.RequestConnection();
    }

    public override void RequestConnection()
    {
        foreach (var entry in _entries.ToArray()) entry.Subchannel.RequestConnection();
    }

    /// <summary>A picker among these; called each time that they change.</summary>
    protected abstract SubchannelPicker CreatePicker(IReadOnlyList<Subchannel> readySubchannels);

    protected override void Dispose(bool disposing)
    {
        foreach (var entry in _entries) entry.Dispose();
        _entries.Clear();
        base.Dispose(disposing);
    }

    private void Follow(Entry entry, SubchannelState changed)
    {
        if (!_entries.Contains(entry) || changed.State == ConnectivityState.Shutdown) return;
        ChannelLog.SubchannelStateChanged(_logger, entry.Subchannel.ToString(), changed.State, changed.Status.Detail);
        if (changed.State is ConnectivityState.Idle or ConnectivityState.TransientFailure) Controller.RefreshResolver();

        // A failed subchannel that tries again counts as failed until it succeeds; else calls would hang at a dead server.
        var tryingAgain = entry.State == ConnectivityState.TransientFailure && changed.State is (ConnectivityState.Connecting or ConnectivityState.Idle);
        if (!tryingAgain)
        {
            entry.State = changed.State;
            entry.Status = changed.Status;
            Aggregate();
        }
        if (changed.State == ConnectivityState.Idle) entry.Subchannel.RequestConnection();
    }

    private void Aggregate()
    {
        var ready = _entries.Where(entry => entry.State == ConnectivityState.Ready).Select(entry => entry.Subchannel).ToList();
        if (ready.Count > 0) Publish(ConnectivityState.Ready, CreatePicker(ready));
        else if (_entries.Any(entry => entry.State != ConnectivityState.TransientFailure)) Publish(ConnectivityState.Connecting, FixedPicker.Queue);
        else Publish(ConnectivityState.TransientFailure, FixedPicker.Failure(_entries[^1].Status));
    }

    private void Publish(ConnectivityState state, SubchannelPicker picker)
    {
        State = state;
        Controller.UpdateState(new BalancerState(state, picker));
    }

    private sealed class Entry(DnsEndPoint endPoint, Subchannel subchannel) : IDisposable
    {
        public DnsEndPoint EndPoint => endPoint;

        public Subchannel Subchannel => subchannel;

        public IDisposable? Subscription { get; set; }

        public ConnectivityState State { get; set; } = ConnectivityState.Idle;

        public Status Status { get; set; }

        public void Dispose()
        {
            Subscription?.Dispose();
            subchannel.Dispose();
        }
    }
}
