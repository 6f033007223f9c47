using System.Diagnostics.Metrics;
using Mesh.Contracts.Gateway.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Operations;
using Mesh.Gateway.Stages;
using Mesh.Store;

namespace Mesh.Gateway;

/// <summary>What the gateway counts.</summary>
internal sealed class GatewayMetrics
{
    public const string MeterName = "Mesh.Gateway";

    private readonly Meter _meter;
    private readonly Counter<long> _images, _refused, _retries, _lookups, _replays;
    private readonly Histogram<double> _work;

    public GatewayMetrics(IMeterFactory factory)
    {
        _meter = factory.Create(MeterName);
        _images = _meter.CreateCounter<long>("mesh_gateway_images_total", null, "Images by what became of them");
        _refused = _meter.CreateCounter<long>("mesh_gateway_refused_total", null, "Calls refused because a limit was reached");
        _retries = _meter.CreateCounter<long>("mesh_gateway_retries_total", null, "Pieces of work sent to another replica, or again");
        _lookups = _meter.CreateCounter<long>("mesh_gateway_embedding_lookups_total", null, "Embeddings by where they were found");
        _replays = _meter.CreateCounter<long>("mesh_gateway_replays_total", null, "Calls whose request id was known");
        _work = _meter.CreateHistogram<double>("mesh_gateway_stage_duration_seconds", "s", "From sending a piece of work to a stage to its last answer");
    }

    public void Drawn(string outcome) => _images.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Refused(string limit) => _refused.Add(1, new KeyValuePair<string, object?>("limit", limit));

    public void Retried(string stage) => _retries.Add(1, new KeyValuePair<string, object?>("stage", stage));

    public void Replayed(string from) => _replays.Add(1, new KeyValuePair<string, object?>("from", from));

    public void Cached(CacheSource source) => _lookups.Add(1, new KeyValuePair<string, object?>("found", source switch
    {
        CacheSource.Local => "local",
        CacheSource.Shared => "shared",
        _ => "nowhere",
    }));

    public void Worked(string stage, string outcome, TimeSpan elapsed) =>
        _work.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("stage", stage), new KeyValuePair<string, object?>("outcome", outcome));

    public void Observe(CallAdmission admission) => _meter.CreateObservableGauge("mesh_gateway_in_flight", () => admission.Out, null, "Permits out: images on their way");

    public void Observe(EmbeddingCaches caches)
    {
        _meter.CreateObservableGauge("mesh_gateway_embedding_bytes", () => caches.LocalBytes, "By", "Embeddings held in this process");
        _meter.CreateObservableGauge("mesh_gateway_shared_cache_up", () => caches.IsShared ? 1 : 0, null, "Whether embeddings are shared through Redis");
        _meter.CreateObservableCounter("mesh_gateway_shared_cache_total", () => Counts(caches.Shared), null, "Questions to Redis by their outcome");
    }

    public void Observe(MeshStages stages)
    {
        _meter.CreateObservableGauge("mesh_gateway_replica_up", () => Each(stages, x => x.State == ReplicaState.Serving ? 1 : 0), null, "Whether a replica serves");
        _meter.CreateObservableGauge("mesh_gateway_replica_in_flight", () => Each(stages, x => x.InFlight), null, "Pieces of work that a replica has from here");
        _meter.CreateObservableGauge(
            "mesh_gateway_suggested_replicas", () => ReplicaRatios.Of(stages).Select(x => new Measurement<double>(x.Replicas, new KeyValuePair<string, object?>("stage", x.Stage))),
            null, "Replicas for each one of the stage that needs fewest, from measured costs");
    }

    private static IEnumerable<Measurement<int>> Each(MeshStages stages, Func<StageReplica, int> value) => stages.All.SelectMany(pool => pool.Replicas.Select(x =>
        new Measurement<int>(value(x), new KeyValuePair<string, object?>("stage", pool.Stage), new KeyValuePair<string, object?>("address", x.Address))));

    private static IEnumerable<Measurement<long>> Counts(SharedCacheStatistics? shared)
    {
        if (shared is not { } s) yield break;
        yield return new(s.Hits, new KeyValuePair<string, object?>("outcome", "hit"));
        yield return new(s.Misses, new KeyValuePair<string, object?>("outcome", "miss"));
        yield return new(s.Corrupt, new KeyValuePair<string, object?>("outcome", "corrupt"));
        yield return new(s.Bypassed, new KeyValuePair<string, object?>("outcome", "bypass"));
    }
}
