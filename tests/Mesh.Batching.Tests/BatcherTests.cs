using Mesh.Testing;

namespace Mesh.Batching.Tests;

public sealed class BatcherTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly Device _device = new();
    private readonly Batcher<string, int, int> _batcher;

    public BatcherTests() => _batcher = new(new BatcherOptions { MaxBatch = 4, MaxQueue = 6 }, _device.Process, "test device", _time);

    public async ValueTask DisposeAsync()
    {
        _device.Finish(100);
        await _batcher.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    public async Task Batch_Forms_OnlyWhenTheDeviceIsFree()
    {
        var first = Submit("a", 1);
        _device.NextBatch().ShouldBe([1]);
        var others = new[] { Submit("a", 2), Submit("a", 3), Submit("a", 4) };

        _device.Finish();

        _device.NextBatch().ShouldBe([2, 3, 4]);
        _device.Finish();
        (await first.DefaultTimeout()).Value.ShouldBe(10);
        (await Task.WhenAll(others).DefaultTimeout()).Select(x => x.Value).ShouldBe([20, 30, 40]);
        (await others[0].DefaultTimeout()).BatchSize.ShouldBe(3);
    }

    [Fact]
    public async Task Invoke_RunsOnTheDevicesThreadBeforeWhatWaits()
    {
        var busy = Submit("a", 1);
        _device.NextBatch();
        var waiting = Submit("a", 2);
        var job = _batcher.InvokeAsync(() => (Thread.CurrentThread.Name, waiting.IsCompleted));

        _device.Finish(2);

        (await job.DefaultTimeout()).ShouldBe(("test device", false));
        await Task.WhenAll(busy, waiting).DefaultTimeout();
        _batcher.Statistics.Batches.ShouldBe(2);
    }

    [Fact]
    public async Task Invoke_Throws_IsItsCallersFaultAlone()
    {
        await Should.ThrowAsync<InvalidDataException>(() => _batcher.InvokeAsync<int>(() => throw new InvalidDataException()).DefaultTimeout());
        _device.Finish();

        (await Submit("a", 1).DefaultTimeout()).Value.ShouldBe(10);
        _batcher.Statistics.Failed.ShouldBe(0);
    }

    [Fact]
    public async Task Invoke_AfterDraining_IsRefused()
    {
        await _batcher.DrainAsync(default).DefaultTimeout();

        await Should.ThrowAsync<DrainingException>(() => _batcher.InvokeAsync(() => 1));
    }

    [Fact]
    public async Task Cancel_OfAnItemWhoseDeadlineHasPassed_CountsAsExpired()
    {
        var busy = Submit("a", 1);
        _device.NextBatch();
        using var cancel = new CancellationTokenSource();
        var late = _batcher.SubmitAsync("a", 2, _time.GetUtcNow() + TimeSpan.FromSeconds(1), cancel.Token);

        _time.Advance(TimeSpan.FromSeconds(2));
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => late.DefaultTimeout());
        (_batcher.Statistics.Expired, _batcher.Statistics.Cancelled).ShouldBe((1, 0));
        _device.Finish();
        await busy.DefaultTimeout();
    }

    [Fact]
    public void Submit_CancelledAlready_IsCountedByItsDeadline()
    {
        var over = new CancellationToken(canceled: true);

        Should.Throw<OperationCanceledException>(() => { _ = _batcher.SubmitAsync("a", 1, _time.GetUtcNow(), over); });
        Should.Throw<OperationCanceledException>(() => { _ = _batcher.SubmitAsync("a", 1, null, over); });

        (_batcher.Statistics.Expired, _batcher.Statistics.Cancelled).ShouldBe((1L, 1L));
    }

    [Fact]
    public async Task Batch_TakesTheOldestKey_AndOnlyItsLike()
    {
        var busy = Submit("z", 0);
        _device.NextBatch();
        var mixed = new[] { Submit("a", 1), Submit("b", 2), Submit("a", 3), Submit("b", 4) };

        _device.Finish(3);

        _device.NextBatch().ShouldBe([1, 3]);
        _device.NextBatch().ShouldBe([2, 4]);
        await Task.WhenAll([busy, .. mixed]).DefaultTimeout();
    }

    [Fact]
    public async Task Batch_NeverExceeds_ItsLimit()
    {
        var busy = Submit("a", 0);
        _device.NextBatch();
        var many = Enumerable.Range(1, 6).Select(i => Submit("a", i)).ToArray();

        _device.Finish(3);

        _device.NextBatch().ShouldBe([1, 2, 3, 4]);
        _device.NextBatch().ShouldBe([5, 6]);
        await Task.WhenAll([busy, .. many]).DefaultTimeout();
    }

    [Fact]
    public async Task Submit_FullQueue_IsRefusedWithAHint_AndNothingIsLost()
    {
        _batcher.Costs.Add(4, TimeSpan.FromSeconds(3));
        var busy = Submit("a", 0);
        _device.NextBatch();
        var waiting = Enumerable.Range(1, 6).Select(i => Submit("a", i)).ToArray();

        var refusal = Should.Throw<QueueFullException>(() => { _ = Submit("a", 7); });

        refusal.RetryAfter.ShouldBe(TimeSpan.FromSeconds(6), "six wait: two batches of at most four, three seconds each");
        _batcher.Statistics.Refused.ShouldBe(1);
        _device.Finish(3);
        await Task.WhenAll([busy, .. waiting]).DefaultTimeout();
        _batcher.Statistics.Completed.ShouldBe(7);
    }

    [Fact]
    public async Task Cancel_WhileWaiting_CostsNoDeviceTime()
    {
        using var cancel = new CancellationTokenSource();
        var busy = Submit("a", 0);
        _device.NextBatch();
        var given = Submit("a", 1, cancel: cancel.Token);
        var kept = Submit("a", 2);

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => given.DefaultTimeout());
        _device.Finish(2);
        _device.NextBatch().ShouldBe([2]);
        await Task.WhenAll(busy, kept).DefaultTimeout();
        _batcher.Statistics.Cancelled.ShouldBe(1);
        _batcher.Statistics.Wasted.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task Cancel_WhileRunning_EndsTheCallAtOnceAndIsCountedAsWaste()
    {
        using var cancel = new CancellationTokenSource();
        _device.Working = () => _time.Advance(TimeSpan.FromSeconds(4));
        var busy = Submit("z", 0);
        _device.NextBatch();
        var given = Submit("a", 1, cancel: cancel.Token);
        var kept = Submit("a", 2);
        _device.Finish();
        _device.NextBatch().ShouldBe([1, 2]);

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => given.DefaultTimeout());
        _device.Unwanted.IsCancellationRequested.ShouldBeFalse("the other item is still wanted");
        _device.Finish();
        (await kept.DefaultTimeout()).Value.ShouldBe(20);
        await busy.DefaultTimeout();
        _batcher.Statistics.Busy.ShouldBe(TimeSpan.FromSeconds(8));
        _batcher.Statistics.Wasted.ShouldBe(TimeSpan.FromSeconds(2), "half of a batch of four seconds");
    }

    [Fact]
    public async Task Cancel_OfEveryItemThatRuns_TellsTheDeviceToStop()
    {
        using var cancel = new CancellationTokenSource();
        var given = Submit("a", 1, cancel: cancel.Token);
        _device.NextBatch();

        await cancel.CancelAsync();

        _device.Unwanted.IsCancellationRequested.ShouldBeTrue();
        await Should.ThrowAsync<OperationCanceledException>(() => given.DefaultTimeout());
    }

    [Fact]
    public async Task Deadline_PassedInTheQueue_FailsWithoutDeviceTime()
    {
        var busy = Submit("a", 0);
        _device.NextBatch();
        var late = Submit("a", 1, deadline: _time.GetUtcNow() + TimeSpan.FromSeconds(1));
        var kept = Submit("a", 2, deadline: _time.GetUtcNow() + TimeSpan.FromSeconds(3));

        _time.Advance(TimeSpan.FromSeconds(2));
        _device.Finish(2);

        _device.NextBatch().ShouldBe([2]);
        (await Should.ThrowAsync<ExpiredException>(() => late.DefaultTimeout())).Message.ShouldContain("2000 ms");
        await Task.WhenAll(busy, kept).DefaultTimeout();
        _batcher.Statistics.Expired.ShouldBe(1);
    }

    [Fact]
    public async Task Fault_OfABatch_ReachesItsCallersOnly()
    {
        _device.Fault = new InvalidOperationException("out of memory");
        var failing = Submit("a", 1);
        _device.NextBatch();
        _device.Finish();
        (await Should.ThrowAsync<InvalidOperationException>(() => failing.DefaultTimeout())).Message.ShouldBe("out of memory");

        _device.Fault = null;
        var next = Submit("a", 2);
        _device.NextBatch();
        _device.Finish();

        (await next.DefaultTimeout()).Value.ShouldBe(20);
        _batcher.Statistics.Failed.ShouldBe(1);
    }

    [Fact]
    public async Task Timings_Tell_QueueAndDeviceTimeApart()
    {
        _device.Working = () => _time.Advance(TimeSpan.FromSeconds(5));
        var busy = Submit("z", 0);
        _device.NextBatch();
        _time.Advance(TimeSpan.FromSeconds(1));
        var measured = Submit("a", 1);
        _device.Finish(2);

        var result = await measured.DefaultTimeout();

        result.Queued.ShouldBe(TimeSpan.FromSeconds(5));
        result.Computed.ShouldBe(TimeSpan.FromSeconds(5));
        (await busy.DefaultTimeout()).Queued.ShouldBe(TimeSpan.Zero);
        _batcher.Costs.Measured().ShouldBe([(1, TimeSpan.FromSeconds(5.8))], "six seconds, then a fifth of the way to five");
    }

    [Fact]
    public async Task Drain_FinishesWhatWaits_AndTakesNothingNew()
    {
        var running = Submit("a", 1);
        _device.NextBatch();
        var waiting = Submit("b", 2);

        var drained = _batcher.DrainAsync(CancellationToken.None);

        Should.Throw<DrainingException>(() => { _ = Submit("a", 3); });
        _device.Finish(2);
        await drained.DefaultTimeout();
        (await running.DefaultTimeout()).Value.ShouldBe(10);
        (await waiting.DefaultTimeout()).Value.ShouldBe(20);
    }

    [Fact]
    public async Task Drain_Abandoned_FailsWhatWaitsAndStopsWhatRuns()
    {
        using var abandon = new CancellationTokenSource();
        var running = Submit("a", 1);
        _device.NextBatch();
        var waiting = Submit("b", 2);
        var drained = _batcher.DrainAsync(abandon.Token);

        await abandon.CancelAsync();

        _device.Unwanted.IsCancellationRequested.ShouldBeTrue();
        _device.Finish();
        await drained.DefaultTimeout();
        await Should.ThrowAsync<DrainingException>(() => waiting.DefaultTimeout());
        (await running.DefaultTimeout()).Value.ShouldBe(10);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public void Options_OutOfRange_AreRefused(int maxBatch, int maxQueue) => Should.Throw<ArgumentOutOfRangeException>(
        () => new Batcher<string, int, int>(new BatcherOptions { MaxBatch = maxBatch, MaxQueue = maxQueue }, _device.Process, "refused"));

    private Task<BatchResult<int>> Submit(string key, int item, DateTimeOffset? deadline = null, CancellationToken cancel = default) =>
        _batcher.SubmitAsync(key, item, deadline, cancel);
}
