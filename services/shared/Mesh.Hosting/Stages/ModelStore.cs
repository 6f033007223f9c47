using Grpc.Core;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Logging;

namespace Mesh.Hosting.Stages;

/// <summary>
/// The models that a stage holds, by id and version: loaded when first asked for, those that were used longest ago let go where the budget
/// asks for room. What is leased stays until its leases end. Whoever asks for a model that is being loaded waits for that load. Safe for
/// use from several threads.
/// </summary>
/// <typeparam name="TModel">What is held in memory.</typeparam>
public sealed partial class ModelStore<TModel> : IAsyncDisposable
    where TModel : class, IDisposable
{
    private static readonly TimeSpan ListingLifetime = TimeSpan.FromSeconds(5);

    private readonly IModelSource<TModel> _source;
    private readonly long _budget;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly List<HeldModel<TModel>> _held = [];
    private readonly Dictionary<string, HeldModel<TModel>> _current = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (InstalledModel Model, long At)> _examined = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Task<InstalledModel>> _examining = new(StringComparer.Ordinal);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _uses;
    private bool _disposed;

    /// <param name="source">Where models come from.</param>
    /// <param name="budgetBytes">Most bytes of weights at once; at least 1.</param>
    /// <param name="patience">How long a load waits for memory that others use.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Told of loads and of what goes.</param>
    public ModelStore(IModelSource<TModel> source, long budgetBytes, TimeSpan patience, TimeProvider time, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThan(budgetBytes, 1);
        (_source, _budget, _patience, _time, _log) = (source, budgetBytes, patience, time, log);
    }

    /// <summary>Bytes of the weights that are held or are being loaded.</summary>
    public long HeldBytes
    {
        get { lock (_gate) return _held.Where(h => h.HasRoom).Sum(h => h.Installed.MemoryBytes); }
    }

    /// <summary>The id that a request means.</summary>
    /// <param name="id">Empty for the default.</param>
    /// <exception cref="MeshException">There is no such model, or none at all.</exception>
    public string Resolve(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        if (id.Length == 0)
            return _source.DefaultId ?? throw StageFaults.NothingInstalled(_source.InstallHint);
        if (_source.Knows(id))
            return id;
        throw _source.Ids.Count == 0 ? StageFaults.NothingInstalled(_source.InstallHint) : StageFaults.Unknown(id, _source.Ids);
    }

    /// <summary>Gives the right to use a model, loading it where it is not in memory.</summary>
    /// <param name="id">Empty for the default.</param>
    /// <param name="version">Empty for the current one.</param>
    /// <param name="cancel">Ends the waiting; a load that has begun goes on for others.</param>
    /// <exception cref="MeshException">NOT_FOUND, FAILED_PRECONDITION where it cannot be loaded, RESOURCE_EXHAUSTED where its memory is in use.</exception>
    public async Task<ModelLease<TModel>> AcquireAsync(string id, string version, CancellationToken cancel)
    {
        id = Resolve(id);
        var held = TryUse(id, version);
        if (held is null)
        {
            var installed = await ExamineAsync(id).WaitAsync(cancel).ConfigureAwait(false);
            if (version.Length > 0 && installed.Version != version)
                throw StageFaults.OtherVersion(id, version, installed.Version);
            held = UseOrLoad(installed);
        }
        return await WaitForAsync(held, cancel).ConfigureAwait(false);
    }

    /// <summary>Makes the version that the files are now the current one; does nothing where it is in memory already.</summary>
    /// <exception cref="MeshException">As <see cref="AcquireAsync"/>.</exception>
    public async Task<ModelLease<TModel>> LoadAsync(string id, string version, CancellationToken cancel)
    {
        id = Resolve(id);
        lock (_gate) _examined.Remove(id);
        var installed = await ExamineAsync(id).WaitAsync(cancel).ConfigureAwait(false);
        if (version.Length > 0 && installed.Version != version)
            throw StageFaults.OtherVersion(id, version, installed.Version);
        var lease = await WaitForAsync(UseOrLoad(installed), cancel).ConfigureAwait(false);
        lock (_gate)
        {
            if (!lease.Held.Retired) _current[id] = lease.Held;
        }
        return lease;
    }

    /// <summary>Lets a model go and returns when its weights are out of memory, which is when the last lease on it ends.</summary>
    /// <param name="id">Empty for the default.</param>
    /// <param name="version">Empty for every version.</param>
    /// <param name="cancel">Ends the waiting; the model still goes.</param>
    public async Task UnloadAsync(string id, string version, CancellationToken cancel)
    {
        id = Resolve(id);
        List<HeldModel<TModel>> going;
        List<HeldModel<TModel>> idle;
        lock (_gate)
        {
            going = [.. _held.Where(h => h.Installed.Id == id && (version.Length == 0 || h.Installed.Version == version))];
            idle = [.. going.Where(Retire)];
        }
        FreeAll(idle);
        await Task.WhenAll(going.Select(h => h.Gone)).WaitAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>Every configured model, in the order of ids. One whose files cannot be used has neither version nor details.</summary>
    public async Task<IReadOnlyList<StageModel>> ListAsync(CancellationToken cancel)
    {
        var list = new List<StageModel>();
        foreach (var id in _source.Ids)
        {
            HeldModel<TModel>? held;
            lock (_gate) held = _current.GetValueOrDefault(id) is { IsLoaded: true } loaded ? loaded : null;
            list.Add(held is not null ? Wire(held) : await WireUnloadedAsync(id).WaitAsync(cancel).ConfigureAwait(false));
        }
        return list;
    }

    /// <summary>What the stage says of a leased model.</summary>
    internal static StageModel Wire(ModelLease<TModel> lease) => Wire(lease.Held);

    /// <summary>Lets every model go. Nobody may use the store any more.</summary>
    public async ValueTask DisposeAsync()
    {
        List<HeldModel<TModel>> all;
        List<HeldModel<TModel>> idle;
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            all = [.. _held];
            idle = [.. all.Where(Retire)];
        }
        FreeAll(idle);
        await Task.WhenAll(all.Select(h => h.Gone)).ConfigureAwait(false);
    }

    private static StageModel Wire(HeldModel<TModel> held)
    {
        var wire = held.Installed.Wire.Clone();
        wire.Loaded = true;
        wire.MemoryBytes = held.Installed.MemoryBytes;
        return wire;
    }

    private async Task<StageModel> WireUnloadedAsync(string id)
    {
        try
        {
            return (await ExamineAsync(id).ConfigureAwait(false)).Wire.Clone();
        }
        catch (MeshException fault) when (fault.Code == StatusCode.FailedPrecondition)
        {
            return new StageModel { Model = new() { Id = id } };
        }
    }

    private async Task<ModelLease<TModel>> WaitForAsync(HeldModel<TModel> held, CancellationToken cancel)
    {
        var lease = new ModelLease<TModel>(this, held);
        try
        {
            await held.Loaded.WaitAsync(cancel).ConfigureAwait(false);
            return lease;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }
}
