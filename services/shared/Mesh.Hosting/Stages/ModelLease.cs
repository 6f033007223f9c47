namespace Mesh.Hosting.Stages;

/// <summary>The right to use one version of a model: it stays in memory until every lease on it is disposed of.</summary>
/// <typeparam name="TModel">What is held in memory.</typeparam>
public sealed class ModelLease<TModel> : IDisposable
    where TModel : class, IDisposable
{
    private readonly ModelStore<TModel> _store;
    private int _disposed;

    internal ModelLease(ModelStore<TModel> store, HeldModel<TModel> held) => (_store, Held) = (store, held);

    /// <summary>The model.</summary>
    public TModel Model => Held.Loaded.Result;

    /// <summary>Its id, version and description.</summary>
    public InstalledModel Installed => Held.Installed;

    internal HeldModel<TModel> Held { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            _store.Release(Held);
    }
}
