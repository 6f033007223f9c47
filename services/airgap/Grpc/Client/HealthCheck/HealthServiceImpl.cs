using System.Threading.Channels;
using Grpc.Core;
using Grpc.Health.V1;

namespace Grpc.HealthCheck;

/// <summary>grpc.health.v1 over a table of statuses that the program sets.</summary>
public class HealthServiceImpl : Health.V1.Health.HealthBase
{
    private const int WatcherCapacity = 5;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, HealthCheckResponse.Types.ServingStatus> _statuses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Channel<HealthCheckResponse.Types.ServingStatus>>> _watchers = new(StringComparer.Ordinal);

    /// <summary>Sets the status of a service; the empty name is the server's own.</summary>
    public void SetStatus(string service, HealthCheckResponse.Types.ServingStatus status)
    {
        lock (_lock)
        {
            var known = _statuses.TryGetValue(service, out var before);
            _statuses[service] = status;
            if (!known || before != status) Tell(service, status);
        }
    }

    /// <summary>Forgets a service.</summary>
    public void ClearStatus(string service)
    {
        lock (_lock)
        {
            if (_statuses.Remove(service)) Tell(service, HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
        }
    }

    /// <summary>Forgets all services.</summary>
    public void ClearAll()
    {
        lock (_lock)
        {
            foreach (var service in _statuses.Keys) Tell(service, HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
            _statuses.Clear();
        }
    }

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        lock (_lock)
        {
            return _statuses.TryGetValue(request.Service, out var status)
                ? Task.FromResult(new HealthCheckResponse { Status = status })
                : Task.FromException<HealthCheckResponse>(new RpcException(new Status(StatusCode.NotFound, "")));
        }
    }

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        // A slow reader misses old changes, never the newest.
        var changes = Channel.CreateBounded<HealthCheckResponse.Types.ServingStatus>(
            new BoundedChannelOptions(WatcherCapacity) { SingleReader = true, FullMode = BoundedChannelFullMode.DropOldest });
        Watch(request.Service, changes);
        // A caller who leaves ends the watch; that is no failure.
        await using var registration = context.CancellationToken.Register(static state => ((ChannelWriter<HealthCheckResponse.Types.ServingStatus>)state!).TryComplete(), changes.Writer).ConfigureAwait(false);
        try
        {
            await foreach (var status in changes.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                await responseStream.WriteAsync(new HealthCheckResponse { Status = status }).ConfigureAwait(false);
            }
        }
        finally
        {
            Unwatch(request.Service, changes);
        }
    }

    private void Watch(string service, Channel<HealthCheckResponse.Types.ServingStatus> changes)
    {
        lock (_lock)
        {
            var now = _statuses.GetValueOrDefault(service, HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
            changes.Writer.TryWrite(now);
            if (!_watchers.TryGetValue(service, out var watchers)) _watchers[service] = watchers = [];
            watchers.Add(changes);
        }
    }

    private void Unwatch(string service, Channel<HealthCheckResponse.Types.ServingStatus> changes)
    {
        lock (_lock)
        {
            if (!_watchers.TryGetValue(service, out var watchers)) return;
            watchers.Remove(changes);
            if (watchers.Count == 0) _watchers.Remove(service);
        }
    }

    private void Tell(string service, HealthCheckResponse.Types.ServingStatus status)
    {
        if (!_watchers.TryGetValue(service, out var watchers)) return;
        foreach (var watcher in watchers) watcher.Writer.TryWrite(status);
    }
}
