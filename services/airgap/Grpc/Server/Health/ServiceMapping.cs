using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>Which health checks make up the status of a service of grpc.health.v1.</summary>
public sealed class ServiceMapping
{
    /// <summary>Picks results: every check runs, those that the predicate takes count.</summary>
    public ServiceMapping(string name, Func<HealthResult, bool> predicate)
    {
        Name = name;
        Predicate = predicate;
    }

    /// <summary>Picks checks: only those that the predicate takes run and count.</summary>
    public ServiceMapping(string name, Func<HealthCheckMapContext, bool> predicate)
    {
        Name = name;
        HealthCheckPredicate = predicate;
    }

    /// <summary>The service's name; empty for the server as a whole.</summary>
    public string Name { get; }

    /// <summary>Picks results; null where checks are picked.</summary>
    public Func<HealthResult, bool>? Predicate { get; }

    /// <summary>Picks checks; null where results are picked.</summary>
    public Func<HealthCheckMapContext, bool>? HealthCheckPredicate { get; }
}

/// <summary>Mappings by service name.</summary>
public sealed class ServiceMappingCollection : IEnumerable<ServiceMapping>
{
    private readonly Dictionary<string, ServiceMapping> _mappings = new(StringComparer.Ordinal);

    /// <summary>How many services are mapped.</summary>
    public int Count => _mappings.Count;

    /// <summary>Adds a mapping.</summary>
    /// <exception cref="ArgumentException">Its service is mapped already.</exception>
    public void Add(ServiceMapping service)
    {
        ArgumentNullException.ThrowIfNull(service);
        _mappings.Add(service.Name, service);
    }

    /// <summary>Maps a service to the results that a predicate takes, in place of what it was mapped to.</summary>
    public void MapService(string name, Func<HealthResult, bool> predicate) => _mappings[name] = new ServiceMapping(name, predicate);

    /// <summary>Maps a service to the checks that a predicate takes, in place of what it was mapped to.</summary>
    public void Map(string name, Func<HealthCheckMapContext, bool> predicate) => _mappings[name] = new ServiceMapping(name, predicate);

    /// <summary>Removes a service's mapping, if there is one.</summary>
    public void Remove(string name) => _mappings.Remove(name);

    /// <summary>Removes all mappings.</summary>
    public void Clear() => _mappings.Clear();

    /// <summary>All mappings.</summary>
    public IEnumerator<ServiceMapping> GetEnumerator() => _mappings.Values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal bool TryGet(string name, [NotNullWhen(true)] out ServiceMapping? mapping) => _mappings.TryGetValue(name, out mapping);
}
