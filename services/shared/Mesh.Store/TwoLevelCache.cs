namespace Mesh.Store;

/// <summary>Where a value was found.</summary>
public enum CacheSource
{
    /// <summary>Nowhere: it was computed, for this call or for another of the same key.</summary>
    Computed,

    /// <summary>In this process.</summary>
    Local,

    /// <summary>In Redis.</summary>
    Shared,
}

/// <summary>
/// Looks in this process, then in Redis, then computes; whoever asks for a key while it is on its way waits for the same value.
/// </summary>
/// <param name="local">The first level.</param>
/// <param name="shared">The second level; null where there is no Redis.</param>
public sealed class TwoLevelCache(LocalCache local, SharedCache? shared)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Flight> _flights = new(StringComparer.Ordinal);

    /// <summary>The value of a key.</summary>
    /// <param name="key">Names the value.</param>
    /// <param name="compute">Makes it where it is nowhere. Cancelled once nobody waits for it any more.</param>
    /// <param name="cancel">Ends this caller's wait; others of the same key go on.</param>
    public async Task<(byte[] Value, CacheSource Source)> GetAsync(CacheKey key, Func<CancellationToken, Task<byte[]>> compute, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(compute);
        cancel.ThrowIfCancellationRequested();
        if (local.TryGet(key.Text, out var held)) return (held, CacheSource.Local);
        var flight = Join(key.Text, compute);
        try
        {
            return await flight.Result.WaitAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            Leave(key.Text, flight);
        }
    }

    private Flight Join(string key, Func<CancellationToken, Task<byte[]>> compute)
    {
        lock (_gate)
        {
            if (_flights.TryGetValue(key, out var flight))
            {
                flight.Waiting++;
                return flight;
            }
            var cancel = new CancellationTokenSource();
            flight = new(cancel, Task.Run(() => FetchAsync(key, compute, cancel.Token), CancellationToken.None)) { Waiting = 1 };
            return _flights[key] = flight;
        }
    }

    private void Leave(string key, Flight flight)
    {
        lock (_gate)
        {
            if (--flight.Waiting > 0) return;
            if (_flights.TryGetValue(key, out var current) && current == flight) _flights.Remove(key);
        }
        flight.Cancel.Cancel();
    }

    private async Task<(byte[] Value, CacheSource Source)> FetchAsync(string key, Func<CancellationToken, Task<byte[]>> compute, CancellationToken cancel)
    {
        if (shared is not null && await shared.GetAsync(key, cancel).ConfigureAwait(false) is { } found)
        {
            local.Set(key, found);
            return (found, CacheSource.Shared);
        }
        var made = await compute(cancel).ConfigureAwait(false);
        local.Set(key, made);
        // Whoever waits need not wait for Redis too; this never throws but for cancellation, which it is not given.
        if (shared is not null) _ = shared.SetAsync(key, made, CancellationToken.None);
        return (made, CacheSource.Computed);
    }

    private sealed class Flight(CancellationTokenSource cancel, Task<(byte[] Value, CacheSource Source)> result)
    {
        public CancellationTokenSource Cancel { get; } = cancel;

        public Task<(byte[] Value, CacheSource Source)> Result { get; } = result;

        public int Waiting { get; set; }
    }
}
