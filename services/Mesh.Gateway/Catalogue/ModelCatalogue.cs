using System.Security.Cryptography;
using System.Text;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Gateway.Stages;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Catalogue;

/// <summary>
/// Which models the mesh has, put together from what the stages' replicas say of themselves. A replica that is away is believed what it
/// last said, so that a model does not vanish while its only replica starts again.
/// </summary>
internal sealed class ModelCatalogue
{
    private const string NoModel =
        "No model is installed: name a diffusers folder "
        + "under Mesh:Models in the configuration of the text, generator and decoder stages.";

    private const string NoUpsampler =
        "No upsampler is installed: name a folder with an AuraSR checkpoint "
        + "under Mesh:Upsamplers in the upsampler stage's configuration, and the stage's endpoint under Mesh:Stages:Upsampler in the gateway's.";

    private readonly MeshStages _stages;
    private readonly TimeProvider _time;
    private readonly TimeSpan _wait;
    private volatile Snapshot? _snapshot;
    private long _changes;

    public ModelCatalogue(MeshStages stages, TimeSpan wait, TimeProvider time)
    {
        (_stages, _wait, _time) = (stages, wait, time);
        foreach (var pool in stages.All) pool.OnChanged(() => Interlocked.Increment(ref _changes));
    }

    /// <summary>By id.</summary>
    public IReadOnlyList<CatalogueModel> Models => Current.Models;

    /// <summary>What an empty id means; empty where the mesh has no model.</summary>
    public string DefaultModel => Current.Default;

    /// <summary>The upsamplers, by id.</summary>
    public IReadOnlyList<StagePart> Upsamplers => Current.Upsamplers;

    private Snapshot Current
    {
        get
        {
            var changes = Interlocked.Read(ref _changes);
            if (_snapshot is { } known && known.Changes == changes) return known;
            return _snapshot = Build(changes);
        }
    }

    /// <summary>The model that a caller names; the default one where the id is empty.</summary>
    /// <exception cref="MeshException">Nobody knows it, a stage lacks it, or no stage has said yet what it has.</exception>
    public async Task<CatalogueModel> FindAsync(string id, CancellationToken cancel)
    {
        await AnsweredAsync(_stages.Needed, cancel).ConfigureAwait(false);
        var now = Current;
        var wanted = id.Length > 0 ? id : now.Default;
        if (now.Models.FirstOrDefault(x => x.Ref.Id == wanted) is { } model) return model;
        if (wanted.Length == 0)
            throw MeshException.FailedPrecondition("MODEL_NOT_INSTALLED", "model", NoModel);
        if (!_stages.Needed.Any(x => Known(x).Any(y => y.Holds(wanted, "")))) throw MeshException.NotFound("model", wanted);
        var lacking = _stages.Needed.Where(x => !Parts(x).ContainsKey(wanted)).Select(x => x.Stage);
        throw MeshException.FailedPrecondition(
            "MODEL_NOT_INSTALLED", wanted,
            $"The stages lack the model '{wanted}', or cannot use its files: {string.Join(", ", lacking)}. "
            + "Name its folder under Mesh:Models for each of them; their logs say what is wrong with the files.");
    }

    /// <summary>The upsampler that a caller names; the default one where the id is empty.</summary>
    /// <exception cref="MeshException">Nobody knows it, none is installed, or the stage has not said yet what it has.</exception>
    public async Task<StagePart> FindUpsamplerAsync(string id, CancellationToken cancel)
    {
        if (_stages.Upsampler.IsConfigured) await AnsweredAsync([_stages.Upsampler], cancel).ConfigureAwait(false);
        var now = Current;
        if (now.Upsamplers.Count == 0)
            throw MeshException.FailedPrecondition("UPSAMPLER_NOT_INSTALLED", "upsampler", NoUpsampler);
        var wanted = id.Length > 0 ? id : now.DefaultUpsampler;
        return now.Upsamplers.FirstOrDefault(x => x.Ref.Id == wanted) ?? throw MeshException.NotFound("upsampler", wanted);
    }

    /// <summary>Waits a bounded time until each stage has said once what it has.</summary>
    private async Task AnsweredAsync(IEnumerable<StagePool> pools, CancellationToken cancel)
    {
        var start = _time.GetUtcNow();
        foreach (var pool in pools)
        {
            if (!pool.IsConfigured)
                throw MeshException.FailedPrecondition("STAGE_NOT_CONFIGURED", pool.Stage, $"No {pool.Stage} stage is configured: name its endpoint under Mesh:Stages.");
            while (true)
            {
                var changed = pool.Changed;
                if (pool.Replicas.Any(x => x.Info is not null)) break;
                var left = start + _wait - _time.GetUtcNow();
                if (left <= TimeSpan.Zero) throw StageFaults.Unavailable(pool.Stage, string.Join("; ", pool.Replicas.Select(x => $"{x.Address}: {x.Trouble}")));
                await changed.WaitAsync(left, _time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancel.ThrowIfCancellationRequested();
            }
        }
    }

    private Snapshot Build(long changes)
    {
        var (text, generator, decoder) = (Parts(_stages.Text), Parts(_stages.Generator), Parts(_stages.Decoder));
        var models = generator.Where(x => text.ContainsKey(x.Key) && decoder.ContainsKey(x.Key)).OrderBy(x => x.Key, StringComparer.Ordinal)
            .Select(x => Join(x.Key, text[x.Key], x.Value, decoder[x.Key])).ToList();
        var upsamplers = Parts(_stages.Upsampler).Values.OrderBy(x => x.Ref.Id, StringComparer.Ordinal).ToList();
        var first = Default(_stages.Generator);
        return new(changes, models, models.Any(x => x.Ref.Id == first) ? first : models.FirstOrDefault()?.Ref.Id ?? first, upsamplers, Default(_stages.Upsampler));
    }

    private CatalogueModel Join(string id, StagePart text, StagePart generator, StagePart decoder)
    {
        var loaded = _stages.Needed.All(pool => Known(pool).Any(x => x.State == ReplicaState.Serving && x.Info!.Models.Any(y => y.Model.Id == id && y.Loaded)));
        var version = SHA256.HashData(Encoding.UTF8.GetBytes($"{text.Ref.Version}\n{generator.Ref.Version}\n{decoder.Ref.Version}"));
        return new(new ModelRef { Id = id, Version = Convert.ToHexStringLower(version) }, text, generator, decoder, loaded);
    }

    /// <summary>Of each model the version that most replicas have, those that serve before those that do not. One without details cannot be used.</summary>
    private static Dictionary<string, StagePart> Parts(StagePool pool) => Known(pool)
        .SelectMany(replica => replica.Info!.Models.Where(x => x.DetailsCase != StageModel.DetailsOneofCase.None).Select(model => (Replica: replica, Model: model)))
        .GroupBy(x => x.Model.Model.Id, StringComparer.Ordinal)
        .ToDictionary(x => x.Key, x => Part([.. x.GroupBy(y => y.Model.Model.Version, StringComparer.Ordinal)
            .OrderByDescending(y => y.Count(z => z.Replica.State == ReplicaState.Serving)).ThenByDescending(y => y.Count())
            .ThenBy(y => y.Key, StringComparer.Ordinal).First()]), StringComparer.Ordinal);

    private static StagePart Part(IReadOnlyList<(StageReplica Replica, StageModel Model)> held)
    {
        var kinds = held.Select(x => ComputeKind.Of(x.Replica.Info!, x.Model.Model.Id)).Distinct().OrderBy(x => x.ToString(), StringComparer.Ordinal);
        return new(held.FirstOrDefault(x => x.Replica.State == ReplicaState.Serving, held[0]).Model, [.. kinds]);
    }

    private static IEnumerable<StageReplica> Known(StagePool pool) => pool.Replicas.Where(x => x.Info is not null);

    private static string Default(StagePool pool) =>
        Known(pool).OrderByDescending(x => x.State == ReplicaState.Serving).Select(x => x.Info!.DefaultModel).FirstOrDefault(x => x.Length > 0, "");

    private sealed record Snapshot(long Changes, IReadOnlyList<CatalogueModel> Models, string Default, IReadOnlyList<StagePart> Upsamplers, string DefaultUpsampler);
}
