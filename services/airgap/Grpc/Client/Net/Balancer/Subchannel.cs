using Grpc.Core;

namespace Grpc.Net.Client.Balancer;

/// <summary>A connection, or the making of one, to one of some addresses. State changes come under the channel's lock, in order.</summary>
public sealed class Subchannel : IDisposable
{
    private readonly ConnectionManager _manager;
    private readonly List<Subscription> _subscriptions = [];
    private readonly CancellationTokenSource _stop = new();
    private IReadOnlyList<BalancerAddress> _addresses;
    private SubchannelState _state = new(ConnectivityState.Idle, Status.DefaultSuccess);
    private TaskCompletionSource? _hurry;
    private bool _addressesChanged;

    internal Subchannel(ConnectionManager manager, IReadOnlyList<BalancerAddress> addresses)
    {
        _manager = manager;
        _addresses = [.. addresses];
        Transport = manager.CreateTransport(this);
    }

    /// <summary>Where it is connected to; null while it is not.</summary>
    public BalancerAddress? CurrentAddress => Transport.CurrentAddress;

    public BalancerAttributes Attributes { get; } = new();

    internal SubchannelTransport Transport { get; }

    public IReadOnlyList<BalancerAddress> GetAddresses()
    {
        lock (_manager.Gate) return _addresses;
    }

    /// <summary>Calls back at each change until the result is disposed.</summary>
    public IDisposable OnStateChanged(Action<SubchannelState> callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_manager.Gate)
        {
            var subscription = new Subscription(this, callback);
            _subscriptions.Add(subscription);
            return subscription;
        }
    }

    /// <summary>Connects where idle; where waiting after a failure, tries again now.</summary>
    public void RequestConnection()
    {
        lock (_manager.Gate)
        {
            if (_stop.IsCancellationRequested) return;
            if (_state.State == ConnectivityState.Idle)
            {
                Enter(ConnectivityState.Connecting, Status.DefaultSuccess);
                _ = Task.Run(ConnectUntilReadyAsync);
            }
            else if (_state.State == ConnectivityState.TransientFailure)
            {
                _hurry?.TrySetResult();
            }
        }
    }

    /// <summary>Replaces the addresses. A connection to one that is no longer there is given up.</summary>
    public void UpdateAddresses(IReadOnlyList<BalancerAddress> addresses)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        lock (_manager.Gate)
        {
            if (_addresses.Select(address => address.EndPoint).SequenceEqual(addresses.Select(address => address.EndPoint))) return;
            _addresses = [.. addresses];
            _addressesChanged = true;
            _hurry?.TrySetResult();
            if (_state.State != ConnectivityState.Ready || CurrentAddress is not { } current) return;
            if (addresses.Any(address => address.EndPoint.Equals(current.EndPoint))) return;
            Transport.Disconnect();
            Enter(ConnectivityState.Idle, Status.DefaultSuccess);
            RequestConnection();
        }
    }

    public void Dispose()
    {
        lock (_manager.Gate)
        {
            if (_stop.IsCancellationRequested) return;
            _stop.Cancel();
            Transport.Disconnect();
            Enter(ConnectivityState.Shutdown, Status.DefaultSuccess);
            _subscriptions.Clear();
            _manager.Forget(this);
        }
    }

    public override string ToString() => string.Join(", ", GetAddresses());

    /// <summary>The last connection was closed, by either side.</summary>
    internal void OnDisconnected()
    {
        lock (_manager.Gate)
        {
            if (_state.State == ConnectivityState.Ready) Enter(ConnectivityState.Idle, Status.DefaultSuccess);
        }
    }

    private void Enter(ConnectivityState state, Status status)
    {
        if (_state.State == state && state != ConnectivityState.TransientFailure) return;
        _state = new SubchannelState(state, status);
        foreach (var subscription in _subscriptions.ToArray()) subscription.Callback(_state);
    }

    private async Task ConnectUntilReadyAsync()
    {
        var backoff = _manager.CreateBackoff();
        try
        {
            while (true)
            {
                IReadOnlyList<BalancerAddress> addresses;
                lock (_manager.Gate)
                {
                    addresses = _addresses;
                    _addressesChanged = false;
                }
                if (await Transport.ConnectAsync(addresses, _stop.Token).ConfigureAwait(false) is not { } failure)
                {
                    if (TryEnterReady()) return;
                    continue;
                }
                var delay = backoff.NextBackoff();
                Task hurry;
                lock (_manager.Gate)
                {
                    _stop.Token.ThrowIfCancellationRequested();
                    _hurry = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    hurry = _hurry.Task;
                    if (_addressesChanged) _hurry.SetResult();
                    Enter(ConnectivityState.TransientFailure, failure);
                }
                await Task.WhenAny(hurry, Task.Delay(delay, _stop.Token)).ConfigureAwait(false);
                lock (_manager.Gate)
                {
                    _stop.Token.ThrowIfCancellationRequested();
                    _hurry = null;
                    Enter(ConnectivityState.Connecting, Status.DefaultSuccess);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Disposed.
        }
    }

    /// <summary>False where the address connected to has meanwhile been taken away.</summary>
    private bool TryEnterReady()
    {
        lock (_manager.Gate)
        {
            if (_stop.IsCancellationRequested)
            {
                Transport.Disconnect();
                return true;
            }
            if (CurrentAddress is { } current && _addresses.Any(address => address.EndPoint.Equals(current.EndPoint)))
            {
                Enter(ConnectivityState.Ready, Status.DefaultSuccess);
                return true;
            }
            Transport.Disconnect();
            return false;
        }
    }

    private sealed class Subscription(Subchannel owner, Action<SubchannelState> callback) : IDisposable
    {
        public Action<SubchannelState> Callback => callback;

        public void Dispose()
        {
            lock (owner._manager.Gate) owner._subscriptions.Remove(this);
        }
    }
}
