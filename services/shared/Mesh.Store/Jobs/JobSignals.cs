using System.Collections.Concurrent;
using System.Threading.Channels;
using StackExchange.Redis;

namespace Mesh.Store.Jobs;

/// <summary>
/// Tells that something changed, so that nobody need ask all the time. Nothing depends on it: what the server says while it cannot be heard is
/// never heard, so whoever waits also looks from time to time.
/// </summary>
public sealed class JobSignals
{
    /// <summary>What is said when a job waits for a worker.</summary>
    public const string NewWork = "+";

    private readonly RedisLink _link;
    private readonly string _channel;
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<JobSignal, byte> _listeners = new();
    private Task<bool>? _subscription;

    internal JobSignals(RedisLink link, string channel) => (_link, _channel) = (link, channel);

    /// <summary>Listens for a job's changes, or for <see cref="NewWork"/>.</summary>
    public JobSignal Listen(string what)
    {
        var signal = new JobSignal(this, what);
        _listeners[signal] = 0;
        return signal;
    }

    internal void Remove(JobSignal signal) => _listeners.TryRemove(signal, out _);

    /// <summary>Makes sure that the server tells this process; whether it does now. What was said before is not heard; a wait does this by itself.</summary>
    public Task<bool> SubscribeAsync(CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_subscription is not { } begun || (begun.IsCompletedSuccessfully && !begun.Result)) _subscription = BeginAsync();
            return _subscription.WaitAsync(cancel);
        }
    }

    private async Task<bool> BeginAsync()
    {
        try
        {
            var database = await _link.DatabaseAsync(CancellationToken.None).ConfigureAwait(false);
            // The client subscribes again by itself after each lost connection.
            await database.Multiplexer.GetSubscriber().SubscribeAsync(new RedisChannel(_channel, RedisChannel.PatternMode.Literal), (_, said) => Spread((string?)said ?? "")).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            return false;
        }
    }

    private void Spread(string said)
    {
        foreach (var listener in _listeners.Keys)
        {
            if (listener.What == said) listener.Raise();
        }
    }
}

/// <summary>One who waits for something to change. One wait at a time.</summary>
public sealed class JobSignal : IDisposable
{
    private readonly JobSignals _owner;
    private readonly Channel<bool> _raised = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    internal JobSignal(JobSignals owner, string what) => (_owner, What) = (owner, what);

    internal string What { get; }

    /// <summary>Waits until it is told, or as long as is given. Changes since the last wait count: look first, then wait.</summary>
    /// <param name="longest">After which it is worth looking anyway.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task WaitAsync(TimeSpan longest, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(longest);
        try
        {
            await _owner.SubscribeAsync(limit.Token).ConfigureAwait(false);
            await _raised.Reader.ReadAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // Long enough: the caller looks.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _owner.Remove(this);

    internal void Raise() => _raised.Writer.TryWrite(true);
}
