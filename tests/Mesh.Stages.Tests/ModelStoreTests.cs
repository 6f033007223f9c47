using Grpc.Core;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Stages.Tests;

/// <summary>Which models are in memory, and for how long.</summary>
public sealed class ModelStoreTests
{
    private const long Budget = 25;
    private readonly ManualTime _time = new();

    [Fact]
    public async Task Acquire_ManyAtOnce_LoadsOnce()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        source.Hold();

        var all = Enumerable.Range(0, 8).Select(_ => store.AcquireAsync("a", "", default)).ToArray();
        source.Release();
        var leases = await Task.WhenAll(all).DefaultTimeout();

        source.Loaded.Count.ShouldBe(1);
        leases.ShouldAllBe(x => x.Model == source.Loaded.First());
        Array.ForEach(leases, x => x.Dispose());
    }

    [Fact]
    public async Task Acquire_NoId_IsTheDefault()
    {
        await using var store = Store(new FakeModels().With("b").With("a"));

        using var lease = await store.AcquireAsync("", "", default).DefaultTimeout();

        lease.Model.Id.ShouldBe("a");
    }

    [Fact]
    public async Task Acquire_UnknownId_IsNotFoundAndNamesWhatThereIs()
    {
        await using var store = Store(new FakeModels().With("a").With("b"));

        var fault = await Should.ThrowAsync<MeshException>(() => store.AcquireAsync("c", "", default));

        fault.Code.ShouldBe(StatusCode.NotFound);
        fault.Message.ShouldContain("a, b");
    }

    [Theory]
    [InlineData("")]
    [InlineData("anything")]
    public async Task Acquire_NothingConfigured_SaysWhatToInstall(string id)
    {
        await using var store = Store(new FakeModels());

        var fault = await Should.ThrowAsync<MeshException>(() => store.AcquireAsync(id, "", default));

        fault.Code.ShouldBe(StatusCode.FailedPrecondition);
        fault.Message.ShouldBe("Install something.");
    }

    [Fact]
    public async Task Acquire_BeyondTheBudget_LetsTheLeastRecentlyUsedGo()
    {
        var source = new FakeModels().With("a").With("b").With("c");
        await using var store = Store(source);
        await TouchAsync(store, "a");
        await TouchAsync(store, "b");
        await TouchAsync(store, "a");

        await TouchAsync(store, "c");

        source.Loaded.Select(x => (x.Id, x.IsFreed)).ShouldBe([("a", false), ("b", true), ("c", false)]);
        store.HeldBytes.ShouldBe(20);
    }

    [Fact]
    public async Task Acquire_OthersInUse_WaitsForThem()
    {
        var source = new FakeModels().With("a").With("b").With("c");
        await using var store = Store(source);
        var a = await store.AcquireAsync("a", "", default).DefaultTimeout();
        using var b = await store.AcquireAsync("b", "", default).DefaultTimeout();

        var waiting = store.AcquireAsync("c", "", default);
        a.Model.IsFreed.ShouldBeFalse();
        a.Dispose();

        using var c = await waiting.DefaultTimeout();
        source.Loaded.First().IsFreed.ShouldBeTrue();
        b.Model.IsFreed.ShouldBeFalse();
    }

    [Fact]
    public async Task Acquire_OthersInUseForTooLong_IsResourceExhausted()
    {
        var source = new FakeModels().With("a", bytes: 20).With("b", bytes: 20);
        await using var store = Store(source);
        using var a = await store.AcquireAsync("a", "", default).DefaultTimeout();

        var waiting = store.AcquireAsync("b", "", default);
        while (_time.Armed == 0 && !waiting.IsCompleted) await Task.Yield();
        _time.Advance(TimeSpan.FromMinutes(1));

        var fault = await Should.ThrowAsync<MeshException>(() => waiting.DefaultTimeout());
        fault.Code.ShouldBe(StatusCode.ResourceExhausted);
        fault.Details.OfType<Google.Rpc.RetryInfo>().ShouldHaveSingleItem();
        source.Loaded.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Acquire_LargerThanTheBudget_IsRefusedAndFreesNothing()
    {
        var source = new FakeModels().With("a").With("huge", bytes: Budget + 1);
        await using var store = Store(source);
        await TouchAsync(store, "a");

        var fault = await Should.ThrowAsync<MeshException>(() => store.AcquireAsync("huge", "", default).DefaultTimeout());

        fault.Reason.ShouldBe(StageFaults.TooLargeReason);
        source.Loaded.First().IsFreed.ShouldBeFalse();
    }

    [Fact]
    public async Task Acquire_LoadFails_TellsWhyAndTriesAgainNextTime()
    {
        var source = new FakeModels().With("a");
        source.Fault = new IOException("the disk is gone");
        await using var store = Store(source);

        var fault = await Should.ThrowAsync<MeshException>(() => store.AcquireAsync("a", "", default).DefaultTimeout());
        source.Fault = null;
        await TouchAsync(store, "a");

        fault.Code.ShouldBe(StatusCode.FailedPrecondition);
        fault.Message.ShouldContain("the disk is gone");
        store.HeldBytes.ShouldBe(10);
    }

    [Fact]
    public async Task Acquire_GivenUpWhileLoading_LeavesTheModelForOthers()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        source.Hold();
        using var cancel = new CancellationTokenSource();

        var impatient = store.AcquireAsync("a", "", cancel.Token);
        var patient = store.AcquireAsync("a", "", default);
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => impatient.DefaultTimeout());
        source.Release();

        (await patient.DefaultTimeout()).Dispose();
        source.Loaded.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Load_NewVersion_TakesTheOldOnesPlaceWhileItsWorkGoesOn()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        using var old = await store.AcquireAsync("a", "", default).DefaultTimeout();
        source.With("a", "2");

        (await store.LoadAsync("a", "", default).DefaultTimeout()).Dispose();

        using var next = await store.AcquireAsync("a", "", default).DefaultTimeout();
        next.Model.Version.ShouldBe("2");
        old.Model.IsFreed.ShouldBeFalse();
        using var pinned = await store.AcquireAsync("a", "1", default).DefaultTimeout();
        pinned.Model.ShouldBe(old.Model);
    }

    [Fact]
    public async Task Acquire_WhileANewVersionLoads_GivesTheOldOne()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        await TouchAsync(store, "a");
        source.With("a", "2").Hold();

        var loading = store.LoadAsync("a", "2", default);
        using var meanwhile = await store.AcquireAsync("a", "", default).DefaultTimeout();
        source.Release();

        meanwhile.Model.Version.ShouldBe("1");
        (await loading.DefaultTimeout()).Dispose();
    }

    [Fact]
    public async Task Acquire_VersionThatIsNotThere_SaysWhichIs()
    {
        await using var store = Store(new FakeModels().With("a", "7"));

        var fault = await Should.ThrowAsync<MeshException>(() => store.AcquireAsync("a", "8", default).DefaultTimeout());

        fault.Reason.ShouldBe(StageFaults.VersionReason);
        fault.Message.ShouldContain("7");
    }

    [Fact]
    public async Task Unload_InUse_EndsWhenTheLastUserDoes()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        var lease = await store.AcquireAsync("a", "", default).DefaultTimeout();

        var unloading = store.UnloadAsync("a", "", default);
        unloading.IsCompleted.ShouldBeFalse();
        lease.Model.IsFreed.ShouldBeFalse();
        lease.Dispose();
        await unloading.DefaultTimeout();

        source.Loaded.First().IsFreed.ShouldBeTrue();
        store.HeldBytes.ShouldBe(0);
    }

    [Fact]
    public async Task Unload_WhileLoading_FreesItOnceItIsThere()
    {
        var source = new FakeModels().With("a");
        await using var store = Store(source);
        source.Hold();
        var loading = store.AcquireAsync("a", "", default);
        while (store.HeldBytes == 0) await Task.Yield();

        var unloading = store.UnloadAsync("a", "", default);
        source.Release();
        (await loading.DefaultTimeout()).Dispose();
        await unloading.DefaultTimeout();

        source.Loaded.First().IsFreed.ShouldBeTrue();
    }

    [Fact]
    public async Task List_TellsWhatIsLoadedAndWhatCouldBe()
    {
        await using var store = Store(new FakeModels().With("b").With("a"));
        await TouchAsync(store, "b");

        var list = await store.ListAsync(default).DefaultTimeout();

        list.Select(x => (x.Model.Id, x.Model.Version, x.Loaded, x.MemoryBytes)).ShouldBe([("a", "1", false, 0L), ("b", "1", true, 10L)]);
    }

    private static async Task TouchAsync(ModelStore<FakeModel> store, string id) => (await store.AcquireAsync(id, "", default).DefaultTimeout()).Dispose();

    private ModelStore<FakeModel> Store(FakeModels source) => new(source, Budget, TimeSpan.FromSeconds(20), _time, NullLogger.Instance);
}
