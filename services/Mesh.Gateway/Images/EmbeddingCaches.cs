using Mesh.Store;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Images;

/// <summary>Where embeddings are kept: in this process within a budget, and in Redis where there is one.</summary>
internal sealed class EmbeddingCaches
{
    // Of the local budget, for negative and empty prompts.
    private const int PinnedShare = 8;

    private readonly LocalCache _prompts;
    private readonly LocalCache _pinned;
    private readonly GatewayRedis _redis;

    public EmbeddingCaches(IOptions<GatewayOptions> options, GatewayRedis redis, GatewayMetrics metrics, TimeProvider time)
    {
        var budget = options.Value.LocalCacheBytes;
        _redis = redis;
        _pinned = new(budget / PinnedShare, null, time);
        _prompts = new(budget - budget / PinnedShare, null, time);
        Prompts = new(_prompts, redis.Embeddings);
        Pinned = new(_pinned, redis.Embeddings);
        metrics.Observe(this);
    }

    public TwoLevelCache Prompts { get; }

    public TwoLevelCache Pinned { get; }

    /// <summary>Held in this process now.</summary>
    public long LocalBytes => _prompts.Bytes + _pinned.Bytes;

    /// <summary>Whether embeddings are shared through Redis now.</summary>
    public bool IsShared => _redis.Embeddings is { IsAvailable: true };

    /// <summary>Counters of the second level; null where there is none.</summary>
    public SharedCacheStatistics? Shared => _redis.Embeddings?.Statistics;

    /// <summary>Puts a value in the place of one that is no embedding.</summary>
    public async Task ReplaceAsync(CacheKey key, byte[] value, bool pinned, CancellationToken cancel)
    {
        (pinned ? _pinned : _prompts).Set(key.Text, value);
        if (_redis.Embeddings is { } shared) await shared.SetAsync(key.Text, value, cancel).ConfigureAwait(false);
    }
}
