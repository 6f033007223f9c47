using Mesh.Contracts.Gateway.V1;
using Mesh.Gateway.Stages;

namespace Mesh.Gateway.Operations;

/// <summary>How many replicas of each stage would be busy alike, were every image to need each stage once.</summary>
internal static class ReplicaRatios
{
    /// <summary>One for each stage that has measured itself, in the order in which a request meets them.</summary>
    public static IReadOnlyList<StageRatio> Of(MeshStages stages) =>
        Of([.. stages.All.Select(pool => (pool.Stage, pool.Replicas.Select(x => x.Info?.CapacityPerS ?? 0).Where(x => x > 0).DefaultIfEmpty().Average()))]);

    /// <param name="capacities">Pieces of work a second of one replica of each stage; 0: not known.</param>
    public static IReadOnlyList<StageRatio> Of(IReadOnlyList<(string Stage, double PerSecond)> capacities)
    {
        var known = capacities.Where(x => x.PerSecond > 0).ToList();
        if (known.Count == 0) return [];
        var most = known.Max(x => x.PerSecond);
        return [.. known.Select(x => new StageRatio { Stage = x.Stage, Replicas = most / x.PerSecond })];
    }
}
