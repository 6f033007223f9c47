using System.ComponentModel.DataAnnotations;
using Mesh.Store;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Mesh.Gateway.Images;

/// <summary>Redis servers, each in StackExchange.Redis' form, such as <c>127.0.0.1:6379</c>.</summary>
public sealed class RedisOptions : IValidatableObject
{
    public const string SectionName = "Redis";

    /// <summary>For embeddings and the results of calls with a request id; it may evict. Absent: both are kept in each process alone.</summary>
    public string? Cache { get; set; }

    /// <summary>How long one question may take; what did not come by then counts as not there. Results of calls, which are larger, have five times as long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMilliseconds(50);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Cache is null) yield break;
        string? fault = null;
        try
        {
            if (ConfigurationOptions.Parse(Cache).EndPoints.Count == 0) fault = "names no server; right would be 127.0.0.1:6379";
        }
        catch (ArgumentException e)
        {
            fault = e.Message;
        }
        if (fault is not null) yield return new ValidationResult(fault, [nameof(Cache)]);
    }
}

/// <summary>What the gateway keeps in Redis; nothing where none is configured.</summary>
internal sealed class GatewayRedis : IAsyncDisposable
{
    private const int ReplayTimeouts = 5;

    private readonly RedisLink? _link;

    public GatewayRedis(IOptions<RedisOptions> redis, IOptions<GatewayOptions> options, TimeProvider time, ILogger<GatewayRedis> logger)
    {
        if (redis.Value.Cache is not { } connection)
        {
            GatewayLog.NoRedis(logger);
            return;
        }
        _link = new(connection);
        Embeddings = new(_link, new SharedCacheOptions { Prefix = "mesh:embedding:", Timeout = redis.Value.Timeout }, time);
        Embeddings.AvailabilityChanged += (available, fault) =>
        {
            if (available) GatewayLog.RedisBack(logger);
            else GatewayLog.RedisLost(logger, fault?.Message ?? "");
        };
        if (options.Value.ReplayMinutes <= 0) return;
        Replays = new(_link, ReplayOptions(redis.Value, options.Value), time);
    }

    public SharedCache? Embeddings { get; }

    /// <summary>Results of calls with a request id.</summary>
    public SharedCache? Replays { get; }

    public ValueTask DisposeAsync() => _link?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static SharedCacheOptions ReplayOptions(RedisOptions redis, GatewayOptions gateway) =>
        new() { Prefix = "mesh:replay:", Timeout = ReplayTimeouts * redis.Timeout, Lifetime = TimeSpan.FromMinutes(gateway.ReplayMinutes) };
}
