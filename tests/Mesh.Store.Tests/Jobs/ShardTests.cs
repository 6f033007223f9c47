using Mesh.Store.Jobs;
using Mesh.Testing;

namespace Mesh.Store.Tests.Jobs;

public sealed class ShardTests(QueueServer server) : IClassFixture<QueueServer>
{
    [Fact]
    public async Task SplitJob_AllPartsDone_IsDone()
    {
        var queue = server.Make();
        var id = await SubmitAsync(queue, 3);

        var leases = new[] { await queue.TakeAsync("w1"), await queue.TakeAsync("w2"), await queue.TakeAsync("w3") };
        (await queue.ClaimAsync("w4").DefaultTimeout()).ShouldBeNull();
        leases.Select(x => (x.Job.Parent, x.Job.Shard, x.Job.Body)).ShouldBe([(id, 0, "part 0"), (id, 1, "part 1"), (id, 2, "part 2")]);
        await queue.TellAsync(leases[1], [5], null).DefaultTimeout();
        foreach (var lease in leases)
        {
            (await queue.StateAsync(id)).ShouldBe(JobState.Running);
            (await queue.GetAsync(id).DefaultTimeout())!.Result.ShouldBeEmpty();
            await queue.CompleteAsync(lease, $"result {lease.Job.Shard}", "whole").DefaultTimeout();
        }

        var job = (await queue.GetAsync(id).DefaultTimeout())!;
        (job.State, job.Result, job.Shards.Count).ShouldBe((JobState.Succeeded, "whole", 3));
        (await queue.StatesToldAsync(id)).ShouldBe([JobState.Queued, JobState.Running, JobState.Succeeded]);
        var events = await queue.EventsAsync(id, 1, 100).DefaultTimeout();
        events.Single(x => x.Body is not null).Shard.ShouldBe(1);
        events.Select(x => x.Number).ShouldBe(Enumerable.Range(1, events.Count).Select(x => (long)x));
        (await queue.ListAsync(null, 10, [], null).DefaultTimeout()).Jobs.Select(x => x.Id).ShouldBe([id]);
    }

    [Fact]
    public async Task SplitJob_OnePartFails_FailsAndStopsTheOthers()
    {
        var queue = server.Make();
        var id = await SubmitAsync(queue, 3);
        var (bad, other) = (await queue.TakeAsync(), await queue.TakeAsync());

        await queue.FailAsync(bad, "disk full").DefaultTimeout();

        var job = (await queue.GetAsync(id).DefaultTimeout())!;
        (job.State, job.Error).ShouldBe((JobState.Failed, "shard 0: disk full"));
        (await queue.RenewAsync(other).DefaultTimeout()).ShouldBe(JobWish.Cancel);
        (await queue.ClaimAsync("w1").DefaultTimeout()).ShouldBeNull("the third part is not begun any more");
        await queue.GiveBackAsync(other).DefaultTimeout();
        (await queue.StateAsync(other.Id)).ShouldBe(JobState.Cancelled);
        (await queue.StateAsync(id)).ShouldBe(JobState.Failed);
    }

    [Fact]
    public async Task SplitJob_PausedAndResumedAndCancelled_TakesItsPartsAlong()
    {
        var queue = server.Make();
        var id = await SubmitAsync(queue, 2);
        var lease = await queue.TakeAsync();

        (await queue.PauseAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Running, "one part still runs");
        (await queue.ClaimAsync("w2").DefaultTimeout()).ShouldBeNull();
        await queue.GiveBackAsync(lease).DefaultTimeout();
        (await queue.StateAsync(id)).ShouldBe(JobState.Paused);

        (await queue.ResumeAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Queued);
        lease = await queue.TakeAsync();
        (await queue.StateAsync(id)).ShouldBe(JobState.Running);
        (await queue.CancelAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Running);
        await queue.GiveBackAsync(lease).DefaultTimeout();

        (await queue.StateAsync(id)).ShouldBe(JobState.Cancelled);
        (await queue.DepthAsync().DefaultTimeout()).ShouldBe(0);
    }

    private static async Task<string> SubmitAsync(JobStore queue, int parts) =>
        (await queue.SubmitAsync(QueueActions.Job() with { Shards = [.. Enumerable.Range(0, parts).Select(x => $"part {x}")] }).DefaultTimeout()).Id;
}
