namespace Mesh.Cli.Bench.Serve;

/// <summary>One request of a load.</summary>
/// <param name="Latency">From when it was due to its last image.</param>
/// <param name="Fault">Why it failed, such as RESOURCE_EXHAUSTED; null: it did not.</param>
/// <param name="BatchSize">Of the generator's batch that it was in; 0 where it failed.</param>
/// <param name="CacheHit">Whether its prompt needed no encoding.</param>
internal sealed record LoadSample(TimeSpan Latency, string? Fault, int BatchSize, bool CacheHit);

/// <summary>What a load came to.</summary>
internal sealed record LoadResult
{
    /// <summary>Such as "8 callers" or "60 % of the peak".</summary>
    public required string Name { get; init; }

    /// <summary>Requests that gave their image.</summary>
    public required int Images { get; init; }

    /// <summary>Requests that did not.</summary>
    public required int Failures { get; init; }

    /// <summary>How long it lasted.</summary>
    public required double Seconds { get; init; }

    public double ImagesPerSecond => Images / Seconds;

    public required double P50Ms { get; init; }

    public required double P95Ms { get; init; }

    public required double P99Ms { get; init; }

    /// <summary>Of the generator, over requests.</summary>
    public required double MeanBatch { get; init; }

    /// <summary>The share of prompts that needed no encoding.</summary>
    public required double CacheHits { get; init; }

    /// <summary>Each kind of failure, and how often.</summary>
    public required IReadOnlyDictionary<string, int> Faults { get; init; }

    public static LoadResult Of(string name, IReadOnlyCollection<LoadSample> samples, TimeSpan duration)
    {
        var good = samples.Where(x => x.Fault is null).ToList();
        var latencies = good.Select(x => x.Latency.TotalMilliseconds).Order().ToArray();
        return new LoadResult
        {
            Name = name,
            Images = good.Count,
            Failures = samples.Count - good.Count,
            Seconds = duration.TotalSeconds,
            P50Ms = Percentile(latencies, 0.50),
            P95Ms = Percentile(latencies, 0.95),
            P99Ms = Percentile(latencies, 0.99),
            MeanBatch = good.Count == 0 ? 0 : good.Average(x => x.BatchSize),
            CacheHits = good.Count == 0 ? 0 : good.Average(x => x.CacheHit ? 1.0 : 0),
            Faults = samples.Where(x => x.Fault is not null).GroupBy(x => x.Fault!).ToDictionary(x => x.Key, x => x.Count()),
        };
    }

    /// <summary>The smallest value that at least this share of the values does not pass; 0 of none.</summary>
    public static double Percentile(IReadOnlyList<double> ordered, double share) =>
        ordered.Count == 0 ? 0 : ordered[Math.Clamp((int)Math.Ceiling(share * ordered.Count) - 1, 0, ordered.Count - 1)];
}
