using Mesh.Hosting.Faults;

namespace Mesh.Hosting.Stages;

/// <summary>What is in memory, what is being loaded, and what must go for it.</summary>
public sealed partial class ModelStore<TModel>
{
    /// <summary>Another use of what is in use already: true unless it is gone.</summary>
    internal bool TryHold(HeldModel<TModel> held)
    {
        lock (_gate)
        {
            if (held.Uses == 0) return false;
            held.Uses++;
            return true;
        }
    }

    internal void Release(HeldModel<TModel> held)
    {
        var free = false;
        lock (_gate)
        {
            held.Uses--;
            if (held.Uses == 0 && held.Retired && held.IsLoaded) free = _held.Remove(held);
            Announce();
        }
        if (free) FreeAll([held]);
    }

    /// <summary>A version that is in memory or on its way there, with one more use; null where there is none.</summary>
    private HeldModel<TModel>? TryUse(string id, string version)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var held = version.Length == 0
                ? _current.GetValueOrDefault(id)
                : _held.Find(h => !h.Retired && h.Installed.Id == id && h.Installed.Version == version);
            if (held is not null) Use(held);
            return held;
        }
    }

    private HeldModel<TModel> UseOrLoad(InstalledModel installed)
    {
        HeldModel<TModel>? held;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            held = _held.Find(h => !h.Retired && h.Installed.Id == installed.Id && h.Installed.Version == installed.Version);
            if (held is not null)
            {
                Use(held);
                return held;
            }
            held = new HeldModel<TModel>(installed) { Uses = 1 }; // the load's own use
            Use(held);
            _held.Add(held);
            // Where another version is current, it stays so until this one is loaded.
            _current.TryAdd(installed.Id, held);
        }
        _ = Task.Run(() => LoadAsync(held));
        return held;
    }

    private void Use(HeldModel<TModel> held)
    {
        held.Uses++;
        held.LastUse = ++_uses;
    }

    /// <summary>Loads in the background. Whatever goes wrong is told to those who wait, and forgotten: the next request tries again.</summary>
    private async Task LoadAsync(HeldModel<TModel> held)
    {
        var installed = held.Installed;
        var started = _time.GetTimestamp();
        TModel model;
        try
        {
            await MakeRoomAsync(held).ConfigureAwait(false);
            model = _source.Load(installed);
        }
#pragma warning disable CA1031 // Whoever waits is told; there is nobody else to throw to.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var fault = e as MeshException ?? StageFaults.Unusable(installed.Id, e);
            if (e is not MeshException) StageLog.LoadFailed(_log, installed.Id, e);
            lock (_gate)
            {
                Forget(held);
                held.Uses--;
                _held.Remove(held);
                Announce();
            }
            held.SetFailed(fault);
            return;
        }
        StageLog.Loaded(_log, installed.Id, installed.Version, installed.MemoryBytes, _time.GetElapsedTime(started).TotalSeconds);
        held.SetLoaded(model);
        Release(held);
    }

    /// <summary>Takes the model's bytes out of the budget, letting idle models go and waiting for busy ones.</summary>
    private async Task MakeRoomAsync(HeldModel<TModel> held)
    {
        var bytes = held.Installed.MemoryBytes;
        if (bytes > _budget)
            throw StageFaults.TooLarge(held.Installed.Id, bytes, _budget);
        var started = _time.GetTimestamp();
        while (true)
        {
            List<HeldModel<TModel>> idle = [];
            Task changed;
            lock (_gate)
            {
                var used = _held.Where(h => h.HasRoom).Sum(h => h.Installed.MemoryBytes);
                foreach (var candidate in _held.Where(h => h is { HasRoom: true, Uses: 0 }).OrderBy(h => h.LastUse).ToArray())
                {
                    if (used + bytes <= _budget) break;
                    used -= candidate.Installed.MemoryBytes;
                    Retire(candidate);
                    idle.Add(candidate);
                }
                held.HasRoom = used + bytes <= _budget;
                changed = _changed.Task;
            }
            FreeAll(idle);
            if (held.HasRoom) return;
            var left = _patience - _time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
                throw StageFaults.MemoryInUse(held.Installed.Id, bytes, _budget);
            await Task.WhenAny(changed, Task.Delay(left, _time)).ConfigureAwait(false);
        }
    }

    /// <summary>Gives a model to nobody any more. Under the lock.</summary>
    /// <returns>Whether nobody uses it, so that the caller must free it.</returns>
    private bool Retire(HeldModel<TModel> held)
    {
        Forget(held);
        return held.Uses == 0 && _held.Remove(held);
    }

    private void Forget(HeldModel<TModel> held)
    {
        held.Retired = true;
        if (_current.GetValueOrDefault(held.Installed.Id) == held) _current.Remove(held.Installed.Id);
    }

    private void FreeAll(List<HeldModel<TModel>> idle)
    {
        foreach (var held in idle)
        {
            held.Free();
            StageLog.Freed(_log, held.Installed.Id, held.Installed.Version, held.Installed.MemoryBytes);
        }
    }

    /// <summary>Wakes those who wait for memory. Under the lock.</summary>
    private void Announce()
    {
        _changed.SetResult();
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>What a model's files are, at most a few seconds old; asked for once at a time.</summary>
    private Task<InstalledModel> ExamineAsync(string id)
    {
        lock (_gate)
        {
            if (_examined.TryGetValue(id, out var known) && _time.GetElapsedTime(known.At) < ListingLifetime)
                return Task.FromResult(known.Model);
            if (_examining.TryGetValue(id, out var running))
                return running;
            var task = Task.Run(() => Examine(id));
            _examining[id] = task;
            return task;
        }
    }

    private InstalledModel Examine(string id)
    {
        InstalledModel? installed = null;
        try
        {
            return installed = _source.Examine(id);
        }
        catch (Exception e) when (e is not MeshException)
        {
            StageLog.ExamineFailed(_log, id, e);
            throw StageFaults.Unusable(id, e);
        }
        finally
        {
            lock (_gate)
            {
                _examining.Remove(id);
                if (installed is not null) _examined[id] = (installed, _time.GetTimestamp());
            }
        }
    }
}
