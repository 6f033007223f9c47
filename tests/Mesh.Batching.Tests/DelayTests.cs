using Mesh.Testing;

namespace Mesh.Batching.Tests;

public sealed class DelayTests
{
    [Fact]
    public async Task Batch_WithADelay_WaitsForMoreUntilItIsFull()
    {
        var time = new ManualTime();
        var device = new Device();
        await using var batcher = new Batcher<string, int, int>(new BatcherOptions { MaxBatch = 2, MaxDelay = TimeSpan.FromSeconds(1) }, device.Process, "delay", time);
        device.Finish(2);

        var first = batcher.SubmitAsync("a", 1, null, CancellationToken.None);
        var second = batcher.SubmitAsync("a", 2, null, CancellationToken.None);

        device.NextBatch().ShouldBe([1, 2]);
        (await second.DefaultTimeout()).BatchSize.ShouldBe(2);
        await first.DefaultTimeout();
    }

    [Fact]
    public async Task Batch_WithADelay_GoesWhenTheDelayIsOver()
    {
        var time = new ManualTime();
        var device = new Device();
        await using var batcher = new Batcher<string, int, int>(new BatcherOptions { MaxBatch = 2, MaxDelay = TimeSpan.FromSeconds(1) }, device.Process, "delay", time);
        device.Finish();

        var only = batcher.SubmitAsync("a", 1, null, CancellationToken.None);
        SpinWait.SpinUntil(() => time.Armed > 0, TimeSpan.FromSeconds(30)).ShouldBeTrue("the device's thread should wait by the clock");
        only.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromSeconds(1));

        (await only.DefaultTimeout()).Queued.ShouldBe(TimeSpan.FromSeconds(1));
    }
}
