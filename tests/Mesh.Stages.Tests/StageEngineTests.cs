using System.Diagnostics.Metrics;
using Mesh.Batching;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Mesh.Hosting.Stages;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Stages.Tests;

/// <summary>A stage's queue, models and device together.</summary>
public sealed class StageEngineTests : IAsyncDisposable
{
    private readonly FakeModels _source = new FakeModels().With("a").With("b");
    private readonly FakeWork _work = new();
    private readonly Readiness _readiness = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly ModelStore<FakeModel> _store;
    private readonly StageEngine<FakeModel, int, string, string> _engine;

    public StageEngineTests()
    {
        _store = new(_source, 100, TimeSpan.FromSeconds(20), TimeProvider.System, NullLogger.Instance);
        _engine = new(
            _work, _source, _store,
            new StageSurroundings(
                new BatcherOptions { MaxBatch = 6, MaxQueue = 3 }, new StageDevice("cpu", "cpu test", "mesh 1", 1000), _readiness,
                _services.GetRequiredService<IMeterFactory>(), TimeProvider.System, NullLogger.Instance));
    }

    [Fact]
    public async Task Start_LoadsWarmsAndMeasuresTheDefaultModel()
    {
        _readiness.IsReady.ShouldBeFalse();

        await StartAsync();

        _source.Loaded.ShouldHaveSingleItem().Id.ShouldBe("a");
        var stage = await _engine.DescribeAsync(default).DefaultTimeout();
        stage.Costs.Select(x => x.BatchSize).ShouldBe([1, 2, 4, 6]);
        stage.CapacityPerS.ShouldBeGreaterThan(0);
        stage.Models.Select(x => x.Loaded).ShouldBe([true, false]);
        stage.Statistics.Batches.ShouldBe(0, "rehearsals are no work");
    }

    [Fact]
    public async Task Start_DefaultModelCannotBeLoaded_SaysWhyAndTriesAgain()
    {
        _source.Fault = new IOException("no such disk");
        await _engine.StartAsync(default);

        await WhenAsync(() => _readiness.Missing.Values.Any(x => x.Contains("no such disk", StringComparison.Ordinal)));
        _source.Fault = null;
        await WhenAsync(() => _readiness.IsReady);
    }

    [Fact]
    public async Task Run_OneKey_SharesABatchAndOtherKeysDoNot()
    {
        _work.Holds = true;
        using var lease = await _store.AcquireAsync("a", "", default);
        using var work = Piece();
        var first = _engine.RunAsync(lease, null, 1, "first", work);
        await _work.BegunAsync();
        Task<BatchResult<string>>[] later = [_engine.RunAsync(lease, null, 1, "x", work), _engine.RunAsync(lease, null, 2, "other", work), _engine.RunAsync(lease, null, 1, "y", work)];

        for (var i = 0; i < 3; i++) _work.EndOne();
        await Task.WhenAll([first, .. later]).DefaultTimeout();

        _work.Batches.Select(x => string.Join(' ', x.Items)).ShouldBe(["first", "x y", "other"]);
        (await later[0]).BatchSize.ShouldBe(2);
        (await later[0]).Value.ShouldBe("a1:x");
    }

    [Fact]
    public async Task Run_OtherModelOfTheSameKey_HasABatchOfItsOwn()
    {
        using var a = await _store.AcquireAsync("a", "", default);
        using var b = await _store.AcquireAsync("b", "", default);
        using var work = Piece();

        var values = await Task.WhenAll(_engine.RunAsync(a, null, 1, "x", work), _engine.RunAsync(b, null, 1, "x", work), _engine.RunAsync(a, b, 1, "x", work)).DefaultTimeout();

        values.Select(x => x.Value).ShouldBe(["a1:x", "b1:x", "a1:x"]);
        _work.Batches.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Run_QueueFull_IsRefusedWithWhenToComeAgain()
    {
        _work.Holds = true;
        using var lease = await _store.AcquireAsync("a", "", default);
        using var work = Piece();
        var all = new List<Task> { _engine.RunAsync(lease, null, 0, "on the device", work) };
        await _work.BegunAsync();
        for (var i = 0; i < 3; i++) all.Add(_engine.RunAsync(lease, null, i, "waits", work));

        var full = await Should.ThrowAsync<QueueFullException>(() => _engine.RunAsync(lease, null, 0, "one too many", work));

        FaultStatus.ToFault(full, false)!.Details.OfType<Google.Rpc.RetryInfo>().ShouldHaveSingleItem();
        _engine.Statistics.Refused.ShouldBe(1);
        for (var i = 0; i < 4; i++) _work.EndOne();
        await Task.WhenAll(all).DefaultTimeout();
    }

    [Fact]
    public async Task Run_CancelledOnTheDevice_StopsItAndCountsTheWaste()
    {
        _work.Holds = true;
        using var lease = await _store.AcquireAsync("a", "", default);
        using var work = Piece();
        var running = _engine.RunAsync(lease, null, 0, "x", work);
        await _work.BegunAsync();

        work.Cancel();

        await Should.ThrowAsync<OperationCanceledException>(() => running.DefaultTimeout());
        _work.EndOne();
        await WhenAsync(() => _engine.Statistics.Batches == 1);
        _work.WasUnwanted.ShouldBeTrue();
        _engine.Statistics.Cancelled.ShouldBe(1);
        _engine.Statistics.Wasted.ShouldBe(_engine.Statistics.Busy);
        _engine.Statistics.Wasted.ShouldBeGreaterThan(TimeSpan.Zero);
    }

    [Fact]
    public async Task Run_CancelledInTheQueue_IsNeverRun()
    {
        _work.Holds = true;
        using var lease = await _store.AcquireAsync("a", "", default);
        using WorkItem work = Piece(), doomed = Piece();
        var first = _engine.RunAsync(lease, null, 0, "first", work);
        await _work.BegunAsync();
        var waiting = _engine.RunAsync(lease, null, 0, "doomed", doomed);

        doomed.Cancel();

        await Should.ThrowAsync<OperationCanceledException>(() => waiting.DefaultTimeout());
        _work.EndOne();
        await first.DefaultTimeout();
        await _engine.StopAsync(default).DefaultTimeout();
        _work.Batches.ShouldHaveSingleItem();
        _engine.Statistics.Wasted.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task Run_DeadlineInTheQueue_CountsAsExpired()
    {
        _work.Holds = true;
        using var lease = await _store.AcquireAsync("a", "", default);
        using WorkItem work = Piece(), late = new(new WorkHeader(2, false, 1000, ""), TimeProvider.System);
        var first = _engine.RunAsync(lease, null, 0, "first", work);
        await _work.BegunAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => _engine.RunAsync(lease, null, 0, "late", late).DefaultTimeout());

        _engine.Statistics.Expired.ShouldBe(1);
        _engine.Statistics.Cancelled.ShouldBe(0);
        _work.EndOne();
        await first.DefaultTimeout();
    }

    [Fact]
    public async Task Unload_WhileItsBatchRunsForNobody_WaitsForTheBatch()
    {
        _work.Holds = true;
        using var work = Piece();
        var lease = await _store.AcquireAsync("a", "", default);
        var running = _engine.RunAsync(lease, null, 0, "x", work);
        await _work.BegunAsync();
        work.Cancel();
        await Should.ThrowAsync<OperationCanceledException>(() => running.DefaultTimeout());
        lease.Dispose();

        var unloading = _engine.UnloadAsync(new() { Id = "a" }, default);
        unloading.IsCompleted.ShouldBeFalse();
        _work.EndOne();
        await unloading.DefaultTimeout();

        _work.RanOnFreed.ShouldBeFalse();
        _source.Loaded.ShouldHaveSingleItem().IsFreed.ShouldBeTrue();
    }

    [Fact]
    public async Task Load_NewVersion_IsWarmedOnce()
    {
        await StartAsync();
        var before = _work.Rehearsals;
        _source.With("a", "2");

        var loaded = await _engine.LoadAsync(new() { Id = "a" }, default).DefaultTimeout();
        await _engine.LoadAsync(new() { Id = "a" }, default).DefaultTimeout();

        loaded.Model.Version.ShouldBe("2");
        loaded.Loaded.ShouldBeTrue();
        (_work.Rehearsals - before).ShouldBe(1);
    }

    [Fact]
    public async Task Metrics_TellWhatTheStatisticsTell()
    {
        await StartAsync();
        using var lease = await _store.AcquireAsync("a", "", default);
        using var work = Piece();
        await _engine.RunAsync(lease, null, 0, "x", work).DefaultTimeout();
        var seen = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Meter.Scope == _services.GetRequiredService<IMeterFactory>()) own.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((x, value, tags, _) => seen[Name(x, tags)] = value);
        listener.SetMeasurementEventCallback<int>((x, value, tags, _) => seen[Name(x, tags)] = value);
        listener.SetMeasurementEventCallback<double>((x, value, tags, _) => seen[Name(x, tags)] = value);
        listener.Start();

        listener.RecordObservableInstruments();

        seen["mesh_stage_work_total fake completed"].ShouldBe(1);
        seen["mesh_stage_batches_total fake"].ShouldBe(1);
        seen["mesh_stage_waiting fake"].ShouldBe(0);
        seen["mesh_stage_model_bytes fake"].ShouldBe(10);
        seen["mesh_stage_batch_cost_seconds fake 6"].ShouldBeGreaterThan(0);
    }

    public async ValueTask DisposeAsync()
    {
        await _engine.DisposeAsync().DefaultTimeout();
        await _services.DisposeAsync().DefaultTimeout();
    }

    private static WorkItem Piece() => new(new WorkHeader(1, false, 0, ""), TimeProvider.System);

    private static string Name(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        string.Join(' ', [instrument.Name, .. tags.ToArray().Select(x => x.Value!.ToString()!)]);

    private async Task StartAsync()
    {
        await _engine.StartAsync(default);
        await WhenAsync(() => _readiness.IsReady);
    }

    private static async Task WhenAsync(Func<bool> so)
    {
        using var end = new CancellationTokenSource(TimeoutExtensions.Default);
        while (!so()) await Task.Delay(5, end.Token);
    }
}
