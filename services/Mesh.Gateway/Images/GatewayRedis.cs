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
    private static readonly TimeSpan ReplayTimeout = TimeSpan.FromMilliseconds(250);

    private readonly RedisLink? _link;

    public GatewayRedis(IOptions<RedisOptions> redis, IOptions<GatewayOptions> options, TimeProvider time, ILogger<GatewayRedis> logger)
    {
        if (redis.Value.Cache is not { } connection)
        {
            GatewayLog.NoRedis(logger);
            return;
        }
        _link = new(connection);
        Embeddings = new(_link, new SharedCacheOptions { Prefix = "mesh:embedding:" }, time);
        Embeddings.AvailabilityChanged += (available, fault) =>
        {
            if (available) GatewayLog.RedisBack(logger);
            else GatewayLog.RedisLost(logger, fault?.Message ?? "");
        };
        if (options.Value.ReplayMinutes <= 0) return;
        Replays = new(_link, new SharedCacheOptions { Prefix = "mesh:replay:", Timeout = ReplayTimeout, Lifetime = TimeSpan.FromMinutes(options.Value.ReplayMinutes) }, time);
    }

    public SharedCache? Embeddings { get; }

    /// <summary>Results of calls with a request id.</summary>
    public SharedCache? Replays { get; }

    public ValueTask DisposeAsync() => _link?.DisposeAsync() ?? ValueTask.CompletedTask;
}
