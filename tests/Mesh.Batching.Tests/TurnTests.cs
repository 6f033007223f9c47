using Mesh.Testing;

namespace Mesh.Batching.Tests;

/// <summary>Batches whose items go through the device one after another.</summary>
public sealed class TurnTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly TurnDevice _device = new();
    private readonly Batcher<string, int, int> _batcher;

    public TurnTests() => _batcher = new(new BatcherOptions { MaxBatch = 4 }, _device.Process, "turn device", _time);

    public async ValueTask DisposeAsync()
    {
        _device.Finish(100);
        await _batcher.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    public async Task First_OfABatch_IsAnsweredBeforeTheNextIsComputed()
    {
        var batch = await BatchAsync(1, 2, 3);

        _device.Finish();
        var first = await batch[0].DefaultTimeout();

        (first.Value, first.BatchSize).ShouldBe((10, 3));
        _device.NextItem().ShouldBe(2);
        (batch[1].IsCompleted, batch[2].IsCompleted).ShouldBe((false, false));
        (_batcher.Statistics.Running, _batcher.Statistics.Completed).ShouldBe((2, 2L), "the one before the batch and the first of it are done");
        _device.Finish();
        (await batch[1].DefaultTimeout()).Value.ShouldBe(20);
        batch[2].IsCompleted.ShouldBeFalse();
        _device.Finish();
        (await batch[2].DefaultTimeout()).Value.ShouldBe(30);
        (_batcher.Statistics.Running, _batcher.Statistics.Batches).ShouldBe((0, 2L));
    }

    [Fact]
    public async Task Answers_ContinueAwayFromTheDevicesThread()
    {
        var batch = await BatchAsync(1, 2);
        var names = batch.Select(x => x.ContinueWith(_ => Thread.CurrentThread.Name, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default)).ToArray();

        _device.Finish(2);

        (await Task.WhenAll(names).DefaultTimeout()).ShouldAllBe(x => x != "turn device");
    }

    [Fact]
    public async Task Cancel_BeforeItsTurn_IsPassedOverAndCostsNothing()
    {
        using var cancel = new CancellationTokenSource();
        _device.Working = _ => _time.Advance(TimeSpan.FromSeconds(2));
        var batch = await BatchAsync([1, 2, 3], (2, null, cancel.Token));

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => batch[1].DefaultTimeout());
        _device.Finish(2);
        _device.NextItem().ShouldBe(3);
        (await batch[2].DefaultTimeout()).Value.ShouldBe(30);
        var statistics = _batcher.Statistics;
        (statistics.Cancelled, statistics.Wasted, statistics.Busy).ShouldBe((1L, TimeSpan.Zero, TimeSpan.FromSeconds(4)));
        _batcher.Costs.Measured().ShouldBe([(1, TimeSpan.Zero), (2, TimeSpan.FromSeconds(4))], "what was computed is a batch of two");
    }

    [Fact]
    public async Task Cancel_InItsTurn_WastesItsOwnTimeOnly()
    {
        using var cancel = new CancellationTokenSource();
        _device.Working = item => _time.Advance(TimeSpan.FromSeconds(item));
        var batch = await BatchAsync([1, 5], (1, null, cancel.Token));

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => batch[0].DefaultTimeout());
        _device.Unwanted.IsCancellationRequested.ShouldBeFalse("the other item is still wanted");
        _device.Finish(2);
        (await batch[1].DefaultTimeout()).Value.ShouldBe(50);
        (_batcher.Statistics.Wasted, _batcher.Statistics.Busy).ShouldBe((TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(6)));
    }

    [Fact]
    public async Task Cancel_OfAllThatIsLeft_TellsTheDeviceToStop()
    {
        using var cancel = new CancellationTokenSource();
        var batch = await BatchAsync([1, 2, 3], (2, null, cancel.Token), (3, null, cancel.Token));
        _device.Finish();
        await batch[0].DefaultTimeout();
        _device.NextItem().ShouldBe(2);
        _device.Unwanted.IsCancellationRequested.ShouldBeFalse();

        await cancel.CancelAsync();

        _device.Unwanted.IsCancellationRequested.ShouldBeTrue();
        _device.Finish();
        await _batcher.DrainAsync(CancellationToken.None).DefaultTimeout();
        (_batcher.Statistics.Completed, _batcher.Statistics.Cancelled, _batcher.Statistics.Failed).ShouldBe((2L, 2L, 0L));
    }

    [Fact]
    public async Task Deadline_PassedBeforeItsTurn_IsNotComputed()
    {
        _device.Working = _ => _time.Advance(TimeSpan.FromSeconds(2));
        var batch = await BatchAsync([1, 2, 3], (2, _time.GetUtcNow() + TimeSpan.FromSeconds(1), CancellationToken.None));

        _device.Finish(2);

        (await Should.ThrowAsync<ExpiredException>(() => batch[1].DefaultTimeout())).Message.ShouldContain("2000 ms");
        _device.NextItem().ShouldBe(3);
        await batch[2].DefaultTimeout();
        (_batcher.Statistics.Expired, _batcher.Statistics.Wasted).ShouldBe((1L, TimeSpan.Zero));
    }

    [Fact]
    public async Task Cancel_AtADeadlineBeforeItsTurn_CountsAsExpired()
    {
        using var cancel = new CancellationTokenSource();
        var batch = await BatchAsync([1, 2], (2, _time.GetUtcNow() + TimeSpan.FromSeconds(1), cancel.Token));

        _time.Advance(TimeSpan.FromSeconds(1));
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => batch[1].DefaultTimeout());
        (_batcher.Statistics.Expired, _batcher.Statistics.Cancelled).ShouldBe((1L, 0L));
        _device.Finish();
        await batch[0].DefaultTimeout();
    }

    [Fact]
    public async Task Fault_OfOneItem_FailsThatItemAlone()
    {
        _device.Working = item =>
        {
            if (item == 2) throw new InvalidDataException("no picture");
        };
        var batch = await BatchAsync(1, 2, 3);

        _device.Finish(3);

        (await batch[0].DefaultTimeout()).Value.ShouldBe(10);
        (await Should.ThrowAsync<InvalidDataException>(() => batch[1].DefaultTimeout())).Message.ShouldBe("no picture");
        (await batch[2].DefaultTimeout()).Value.ShouldBe(30);
        (_batcher.Statistics.Completed, _batcher.Statistics.Failed).ShouldBe((3L, 1L));
        _batcher.Costs.Measured().Select(x => x.Size).ShouldBe([1], "a batch with a fault measures nothing");
    }

    [Fact]
    public async Task Fault_BeforeAnyTurn_FailsTheWholeBatch()
    {
        var batches = 0;
        _device.Preparing = () =>
        {
            if (++batches == 2) throw new InvalidDataException("no such weights");
        };
        var before = Submit("z", 0);
        _device.NextItem();
        var batch = new[] { Submit("a", 1), Submit("a", 2) };

        _device.Finish();

        foreach (var item in batch) await Should.ThrowAsync<InvalidDataException>(() => item.DefaultTimeout());
        await before.DefaultTimeout();
        _batcher.Statistics.Failed.ShouldBe(2);
    }

    [Fact]
    public async Task Fault_OfABatchHalfDone_FailsThoseThatAreNot()
    {
        await using var batcher = new Batcher<string, int, int>(new BatcherOptions { MaxBatch = 2, MaxDelay = TimeSpan.FromSeconds(30) }, HalfOf, "half", _time);
        var done = batcher.SubmitAsync("a", 1, null, CancellationToken.None);
        var failed = batcher.SubmitAsync("a", 2, null, CancellationToken.None);

        (await done.DefaultTimeout()).Value.ShouldBe(10);
        await Should.ThrowAsync<InvalidDataException>(() => failed.DefaultTimeout());
        (batcher.Statistics.Completed, batcher.Statistics.Failed).ShouldBe((1L, 1L));

        static void HalfOf(string key, IBatch<int, int> batch)
        {
            batch.Complete(0, 10);
            throw new InvalidDataException();
        }
    }

    [Fact]
    public async Task Batch_EndsWithoutAResult_IsAFault()
    {
        await using var batcher = new Batcher<string, int, int>(new BatcherOptions(), (_, batch) => batch.Begin(0), "nothing", _time);

        await Should.ThrowAsync<InvalidOperationException>(() => batcher.SubmitAsync("a", 1, null, CancellationToken.None).DefaultTimeout());

        batcher.Statistics.Failed.ShouldBe(1);
    }

    [Fact]
    public async Task Item_EndedTwice_IsRefused()
    {
        await using var batcher = new Batcher<string, int, int>(new BatcherOptions(), Twice, "twice", _time);

        (await batcher.SubmitAsync("a", 1, null, CancellationToken.None).DefaultTimeout()).Value.ShouldBe(1);

        static void Twice(string key, IBatch<int, int> batch)
        {
            batch.Complete(0, 1);
            Should.Throw<InvalidOperationException>(() => batch.Complete(0, 2));
            Should.Throw<InvalidOperationException>(() => batch.Begin(0));
        }
    }

    [Fact]
    public async Task Timings_Tell_WhatWasBeforeItsTurnFromItsTurn()
    {
        _device.Working = item => _time.Advance(TimeSpan.FromSeconds(item));
        var batch = await BatchAsync(3, 4);

        _device.Finish(2);

        var second = await batch[1].DefaultTimeout();
        (second.Queued, second.Computed).ShouldBe((TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(4)));
        (await batch[0].DefaultTimeout()).Computed.ShouldBe(TimeSpan.FromSeconds(3));
        _batcher.Costs.Estimate(2).ShouldBe(TimeSpan.FromSeconds(7), "the whole batch");
    }

    private Task<BatchResult<int>> Submit(string key, int item, DateTimeOffset? deadline = null, CancellationToken cancel = default) =>
        _batcher.SubmitAsync(key, item, deadline, cancel);

    /// <summary>One batch of these items whose first has its turn.</summary>
    private Task<Task<BatchResult<int>>[]> BatchAsync(params int[] items) => BatchAsync(items, []);

    private async Task<Task<BatchResult<int>>[]> BatchAsync(int[] items, params (int Item, DateTimeOffset? Deadline, CancellationToken Cancel)[] special)
    {
        var before = Submit("z", 0);
        _device.NextItem().ShouldBe(0);
        var working = _device.Working;
        _device.Working = _ => { };
        var batch = items.Select(x =>
        {
            var (_, deadline, cancel) = special.SingleOrDefault(s => s.Item == x);
            return Submit("a", x, deadline, cancel);
        }).ToArray();
        _device.Finish();
        await before.DefaultTimeout();
        _device.Working = working;
        _device.NextItem().ShouldBe(items[0]);
        return batch;
    }
}
