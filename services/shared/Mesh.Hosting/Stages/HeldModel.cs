namespace Mesh.Hosting.Stages;

/// <summary>A version of a model in memory, and how many use it. Its fields are guarded by the store's lock.</summary>
internal sealed class HeldModel<TModel>(InstalledModel installed)
    where TModel : class, IDisposable
{
    private readonly TaskCompletionSource<TModel> _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public InstalledModel Installed { get; } = installed;

    /// <summary>Ends when the weights are there, or fails with why they cannot be.</summary>
    public Task<TModel> Loaded => _loaded.Task;

    /// <summary>Ends when the weights are out of memory.</summary>
    public Task Gone => _gone.Task;

    /// <summary>Leases out, and one while it loads.</summary>
    public int Uses { get; set; }

    /// <summary>Whether its bytes count against the budget.</summary>
    public bool HasRoom { get; set; }

    /// <summary>Whether nobody is to be given it any more.</summary>
    public bool Retired { get; set; }

    /// <summary>Whether it has run on the device.</summary>
    public bool Warm;

    /// <summary>Grows with every use; the smallest was used longest ago.</summary>
    public long LastUse { get; set; }

    public bool IsLoaded => _loaded.Task.IsCompletedSuccessfully;

    public void SetLoaded(TModel model) => _loaded.SetResult(model);

    public void SetFailed(Exception fault)
    {
        _loaded.SetException(fault);
        _ = _loaded.Task.Exception; // nobody need be waiting any more
        _gone.SetResult();
    }

    /// <summary>Frees the weights. Called once, without the lock.</summary>
    public void Free()
    {
        _loaded.Task.Result.Dispose();
        _gone.SetResult();
    }
}
