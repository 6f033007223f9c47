using Mesh.Testing;

namespace Mesh.Batching.Tests;

/// <summary>Many callers at once: every call ends, with its own answer, and the counters add up.</summary>
public sealed class StormTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Storm_OfCallsAndCancels_LosesNoneAndMixesNone(int seed)
    {
        const int calls = 2000;
        var random = new Random(seed);
        await using var batcher = new Batcher<int, int, int>(
            new BatcherOptions { MaxBatch = 5, MaxQueue = calls }, (key, batch) => batch.Each(x => x * 3 + key), "storm");
        var plans = Enumerable.Range(0, calls).Select(i => (Item: i, Key: random.Next(3), Cancels: random.Next(4) == 0)).ToArray();

        var outcomes = await Task.WhenAll(plans.Select(plan => Task.Run(async () =>
        {
            using var cancel = new CancellationTokenSource();
            var call = batcher.SubmitAsync(plan.Key, plan.Item, null, cancel.Token);
            if (plan.Cancels) await cancel.CancelAsync();
            try
            {
                (await call).Value.ShouldBe(plan.Item * 3 + plan.Key);
                return true;
            }
            catch (OperationCanceledException)
            {
                plan.Cancels.ShouldBeTrue();
                return false;
            }
        }))).DefaultTimeout();

        await batcher.DrainAsync(CancellationToken.None).DefaultTimeout();
        var statistics = batcher.Statistics;
        statistics.Completed.ShouldBe(outcomes.Count(x => x));
        statistics.Cancelled.ShouldBe(outcomes.Count(x => !x));
        (statistics.Waiting, statistics.Running, statistics.Failed).ShouldBe((0, 0, 0L));
    }
}
