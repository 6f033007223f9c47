using System.Collections.Concurrent;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Stages;
using Mesh.Testing;

namespace Mesh.Stages.Tests;

/// <summary>A model that holds nothing and tells whether it was freed.</summary>
internal sealed class FakeModel(string id, string version) : IDisposable
{
    public string Id => id;

    public string Version => version;

    public bool IsFreed { get; private set; }

    public void Dispose()
    {
        IsFreed.ShouldBeFalse("a model was freed twice");
        IsFreed = true;
    }
}

/// <summary>Models whose versions, sizes and faults a test sets.</summary>
internal sealed class FakeModels : IModelSource<FakeModel>
{
    private readonly ConcurrentDictionary<string, (string Version, long Bytes)> _files = new();
    private readonly ConcurrentQueue<FakeModel> _loaded = new();
    private readonly ManualResetEventSlim _mayLoad = new(true);

    public IReadOnlyList<string> Ids => [.. _files.Keys.Order(StringComparer.Ordinal)];

    public string? DefaultId => Ids.Count > 0 ? Ids[0] : null;

    public string InstallHint => "Install something.";

    /// <summary>Every load that gave a model, in order.</summary>
    public IReadOnlyCollection<FakeModel> Loaded => _loaded;

    /// <summary>What the next loads throw; null for none.</summary>
    public Exception? Fault { get; set; }

    /// <summary>Puts a model's files there, or others in their place.</summary>
    public FakeModels With(string id, string version = "1", long bytes = 10)
    {
        _files[id] = (version, bytes);
        return this;
    }

    /// <summary>Keeps loads from ending until <see cref="Release"/>.</summary>
    public void Hold() => _mayLoad.Reset();

    public void Release() => _mayLoad.Set();

    public bool Knows(string id) => _files.ContainsKey(id);

    public InstalledModel Examine(string id)
    {
        var (version, bytes) = _files[id];
        return new(id, version, bytes, new StageModel { Model = new() { Id = id, Version = version }, Numerics = "float32" });
    }

    public FakeModel Load(InstalledModel model)
    {
        _mayLoad.Wait(TimeoutExtensions.Default).ShouldBeTrue();
        if (Fault is { } fault) throw fault;
        var loaded = new FakeModel(model.Id, model.Version);
        _loaded.Enqueue(loaded);
        return loaded;
    }
}
