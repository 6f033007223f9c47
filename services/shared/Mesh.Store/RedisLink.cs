using StackExchange.Redis;

namespace Mesh.Store;

/// <summary>
/// A connection to one Redis server that is made when it is first needed and again whenever it was lost. While the server is away,
/// commands fail at once or within their time-out; nothing is queued for later.
/// </summary>
public sealed class RedisLink : IAsyncDisposable
{
    private readonly ConfigurationOptions _configuration;
    private readonly SemaphoreSlim _connecting = new(1, 1);
    private ConnectionMultiplexer? _connection;

    /// <param name="connection">host:port and options, in StackExchange.Redis' form.</param>
    /// <exception cref="ArgumentException">The text names no server.</exception>
    public RedisLink(string connection)
    {
        _configuration = ConfigurationOptions.Parse(connection);
        if (_configuration.EndPoints.Count == 0) throw new ArgumentException($"'{connection}' names no Redis server; right would be 127.0.0.1:6379.", nameof(connection));
        _configuration.AbortOnConnectFail = false;
        _configuration.ConnectRetry = 0;
        _configuration.ConnectTimeout = Math.Min(_configuration.ConnectTimeout, 2000);
    }

    /// <summary>The database, connected or on the way to be.</summary>
    public async Task<IDatabase> DatabaseAsync(CancellationToken cancel)
    {
        if (_connection is { } made) return made.GetDatabase();
        await _connecting.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            _connection ??= await ConnectionMultiplexer.ConnectAsync(_configuration).ConfigureAwait(false);
            return _connection.GetDatabase();
        }
        finally
        {
            _connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null) await _connection.CloseAsync(allowCommandsToComplete: false).ConfigureAwait(false);
        _connection?.Dispose();
        _connecting.Dispose();
    }
}
