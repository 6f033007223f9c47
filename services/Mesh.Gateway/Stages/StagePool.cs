using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Contracts.Gateway.V1;
using Mesh.Hosting.Peers;

namespace Mesh.Gateway.Stages;

/// <summary>All replicas of one stage, as configured and as names resolve.</summary>
internal abstract class StagePool : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly IReadOnlyList<MeshEndpoint> _endpoints;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _tasks = [];
    private readonly List<Action> _listeners = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableArray<StageReplica> _replicas = [];
    private bool _disposed;

    protected StagePool(string stage, IReadOnlyList<MeshEndpoint> endpoints, LinkTiming timing, TimeProvider time)
    {
        Stage = stage;
        _endpoints = endpoints;
        Timing = timing;
        Time = time;
    }

    /// <summary>Text, generator, decoder or upsampler.</summary>
    public string Stage { get; }

    /// <summary>Whether any replica is configured.</summary>
    public bool IsConfigured => _endpoints.Count > 0;

    /// <summary>Whether a replica answers and serves.</summary>
    public bool IsServing => Replicas.Any(x => x.State == ReplicaState.Serving);

    /// <summary>In the order of their addresses.</summary>
    public ImmutableArray<StageReplica> Replicas
    {
        get { lock (_gate) return _replicas; }
    }

    /// <summary>Ends when something about a replica changes after it was read.</summary>
    public Task Changed
    {
        get { lock (_gate) return _changed.Task; }
    }

    protected LinkTiming Timing { get; }

    protected TimeProvider Time { get; }

    /// <summary>Calls back, from any thread, whenever something about a replica changes.</summary>
    public void OnChanged(Action listener)
    {
        lock (_gate) _listeners.Add(listener);
    }

    /// <summary>Begins to reach out to every replica.</summary>
    public void Start()
    {
        foreach (var endpoint in _endpoints)
        {
            if (endpoint.Kind == EndpointKind.Dns) _tasks.Add(Task.Run(() => ResolveAsync(endpoint)));
            else Add(endpoint.ToString(), endpoint, null);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_tasks).ConfigureAwait(false);
        await Task.WhenAll(Replicas.Select(x => x.DisposeAsync().AsTask())).ConfigureAwait(false);
        _stop.Dispose();
    }

    protected abstract StageReplica Create(string name, MeshEndpoint endpoint, IPAddress? address, Action changed);

    private void Add(string name, MeshEndpoint endpoint, IPAddress? address)
    {
        var replica = Create(name, endpoint, address, RaiseChanged);
        lock (_gate) _replicas = [.. _replicas.Add(replica).OrderBy(x => x.Address, StringComparer.Ordinal)];
        replica.Start();
    }

    private void RaiseChanged()
    {
        TaskCompletionSource old;
        Action[] listeners;
        lock (_gate)
        {
            old = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            listeners = [.. _listeners];
        }
        old.SetResult();
        foreach (var listener in listeners) listener();
    }

    /// <summary>Keeps one replica an address of a name.</summary>
    private async Task ResolveAsync(MeshEndpoint endpoint)
    {
        var retired = new List<Task>();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var addresses = await Dns.GetHostAddressesAsync(endpoint.Host, _stop.Token).ConfigureAwait(false);
                var wanted = addresses.Distinct().ToDictionary(x => $"{endpoint} at {x}");
                var known = Replicas.Where(x => x.Address.StartsWith($"{endpoint} at ", StringComparison.Ordinal)).ToList();
                foreach (var replica in known.Where(x => !wanted.ContainsKey(x.Address))) retired.Add(RetireAsync(replica));
                foreach (var (name, address) in wanted.Where(x => known.All(y => y.Address != x.Key))) Add(name, endpoint, address);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // A name server that is away changes nothing: the addresses known so far stay.
            }
            await Task.Delay(Timing.Resolve, Time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await Task.WhenAll(retired).ConfigureAwait(false);
    }

    /// <summary>Gives a replica that is no longer named nothing new, and lets it go once it has answered what it has.</summary>
    private async Task RetireAsync(StageReplica replica)
    {
        lock (_gate) _replicas = _replicas.Remove(replica);
        RaiseChanged();
        while (replica.InFlight > 0 && replica.State != ReplicaState.Unreachable && !_stop.IsCancellationRequested)
            await Task.Delay(Timing.FirstBackOff, Time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await replica.DisposeAsync().ConfigureAwait(false);
    }
}
