using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>A health check, for a mapping to judge before it runs.</summary>
public sealed class HealthCheckMapContext
{
    /// <summary>A check's name and tags.</summary>
    public HealthCheckMapContext(string name, IEnumerable<string> tags)
    {
        Name = name;
        Tags = tags;
    }

    /// <summary>The check's name.</summary>
    public string Name { get; }

    /// <summary>The check's tags.</summary>
    public IEnumerable<string> Tags { get; }
}

/// <summary>The outcome of a health check, for a mapping to judge.</summary>
public sealed class HealthResult
{
    /// <summary>A check's outcome.</summary>
    public HealthResult(
        string name,
        IEnumerable<string> tags,
        HealthStatus status,
        string? description,
        TimeSpan duration,
        Exception? exception,
        IReadOnlyDictionary<string, object> data)
    {
        Name = name;
        Tags = tags;
        Status = status;
        Description = description;
        Duration = duration;
        Exception = exception;
        Data = data;
    }

    /// <summary>The check's name.</summary>
    public string Name { get; }

    /// <summary>The check's tags.</summary>
    public IEnumerable<string> Tags { get; }

    /// <summary>Its outcome.</summary>
    public HealthStatus Status { get; }

    /// <summary>Its own words.</summary>
    public string? Description { get; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; }

    /// <summary>What it threw.</summary>
    public Exception? Exception { get; }

    /// <summary>What else it said.</summary>
    public IReadOnlyDictionary<string, object> Data { get; }
}

/// <summary>Options of the health service.</summary>
public sealed class GrpcHealthChecksOptions
{
    /// <summary>The services that have a status; by default the empty name, made up of all checks.</summary>
    public ServiceMappingCollection Services { get; } = new();

    /// <summary>Whether Check and Watch answer with the last published results, in place of running the checks; default false.</summary>
    public bool UseHealthChecksCache { get; set; }

    /// <summary>Whether watches go on while the application stops, in place of ending with NOT_SERVING; default false.</summary>
    public bool SuppressCompletionOnShutdown { get; set; }
}
