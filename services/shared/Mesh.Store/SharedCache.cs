using Polly;
using Polly.CircuitBreaker;
using Polly.Timeout;
using StackExchange.Redis;

namespace Mesh.Store;

/// <summary>How the shared cache treats a server that is slow or away.</summary>
public sealed record SharedCacheOptions
{
    /// <summary>Before every key.</summary>
    public string Prefix { get; init; } = "mesh:cache:";

    /// <summary>How long one command may take; then the value counts as missing.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long a value is kept; the server evicts earlier where it must.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How many commands of one second must have been tried, and half of them failed, before the server is left alone; at least 2.</summary>
    public int FailuresBeforeBreak { get; init; } = 4;

    /// <summary>How long it is left alone.</summary>
    public TimeSpan Break { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Counters of a shared cache since it was made.</summary>
/// <param name="Hits">Values found, whole.</param>
/// <param name="Misses">Values not there.</param>
/// <param name="Corrupt">Values there, but not as they were written; counted as misses too.</param>
/// <param name="Bypassed">Commands that failed, took too long, or were not sent because others had.</param>
public readonly record struct SharedCacheStatistics(long Hits, long Misses, long Corrupt, long Bypassed);

/// <summary>
/// Values that all replicas share through Redis. It never fails a caller: a server that is slow, away or wrong means that nothing
/// was found, or nothing kept.
/// </summary>
public sealed class SharedCache
{
    private static readonly TimeSpan Sampled = TimeSpan.FromSeconds(1);

    private readonly RedisLink _link;
    private readonly SharedCacheOptions _options;
    private readonly ResiliencePipeline _guard;
    private long _hits, _misses, _corrupt, _bypassed;

    /// <param name="link">The server.</param>
    /// <param name="options">Limits.</param>
    /// <param name="time">The clock; the system's where null.</param>
    public SharedCache(RedisLink link, SharedCacheOptions options, TimeProvider? time = null)
    {
        _link = link;
        _options = options;
        _guard = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions
            {
                FailureRatio = 0.5,
                MinimumThroughput = options.FailuresBeforeBreak,
                SamplingDuration = Sampled,
                BreakDuration = options.Break,
                ShouldHandle = new PredicateBuilder().Handle<Exception>(IsServerFault),
                OnOpened = x =>
                {
                    IsAvailable = false;
                    AvailabilityChanged?.Invoke(false, x.Outcome.Exception);
                    return ValueTask.CompletedTask;
                },
                OnClosed = _ =>
                {
                    IsAvailable = true;
                    AvailabilityChanged?.Invoke(true, null);
                    return ValueTask.CompletedTask;
                },
            })
            .AddTimeout(new TimeoutStrategyOptions { Timeout = options.Timeout })
            .Build();
    }

    /// <summary>Raised once when the server is given up, with its last fault, and once when it answers again.</summary>
    public event Action<bool, Exception?>? AvailabilityChanged;

    /// <summary>Whether commands are sent now.</summary>
    public bool IsAvailable { get; private set; } = true;

    public SharedCacheStatistics Statistics => new(Interlocked.Read(ref _hits), Interlocked.Read(ref _misses), Interlocked.Read(ref _corrupt), Interlocked.Read(ref _bypassed));

    /// <summary>The value of a key, or null where none was found in time.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public async Task<byte[]?> GetAsync(string key, CancellationToken cancel)
    {
        var (asked, found) = await GuardAsync(async database => (byte[]?)await database.StringGetAsync(_options.Prefix + key).ConfigureAwait(false), cancel).ConfigureAwait(false);
        if (!asked) return null;
        var value = found is null ? null : Sealed.Open(found);
        if (found is not null && value is null) Interlocked.Increment(ref _corrupt);
        Interlocked.Increment(ref value is null ? ref _misses : ref _hits);
        return value;
    }

    /// <summary>Keeps a value where the server takes it in time.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public async Task SetAsync(string key, ReadOnlyMemory<byte> value, CancellationToken cancel)
    {
        var packed = Sealed.Close(value.Span);
        await GuardAsync(database => database.StringSetAsync(_options.Prefix + key, packed, _options.Lifetime, When.Always, CommandFlags.None), cancel).ConfigureAwait(false);
    }

    private async Task<(bool Asked, T? Answer)> GuardAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancel)
    {
        try
        {
            return (true, await _guard.ExecuteAsync(async token =>
            {
                var database = await _link.DatabaseAsync(token).WaitAsync(token).ConfigureAwait(false);
                return await command(database).WaitAsync(token).ConfigureAwait(false);
            }, cancel).ConfigureAwait(false));
        }
        catch (Exception e) when (IsServerFault(e) || e is BrokenCircuitException)
        {
            Interlocked.Increment(ref _bypassed);
            return (false, default);
        }
    }

    private static bool IsServerFault(Exception e) => e is RedisException or TimeoutRejectedException or TimeoutException or ObjectDisposedException;
}
