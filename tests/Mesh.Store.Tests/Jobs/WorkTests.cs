using System.Text;
using Mesh.Store.Jobs;
using Mesh.Testing;

namespace Mesh.Store.Tests.Jobs;

public sealed class WorkTests(QueueServer server) : IClassFixture<QueueServer>
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(150);

    [Fact]
    public async Task Claim_Priorities_GoBeforeTime()
    {
        var queue = server.Make();
        foreach (var priority in new[] { JobPriority.Low, JobPriority.Normal, JobPriority.High, JobPriority.High })
            await queue.SubmitAsync(QueueActions.Job() with { Priority = priority }).DefaultTimeout();

        var order = new List<JobRecord>();
        while (await queue.ClaimAsync("w1").DefaultTimeout() is { } lease) order.Add(lease.Job);

        order.Select(x => x.Priority).ShouldBe([JobPriority.High, JobPriority.High, JobPriority.Normal, JobPriority.Low]);
        string.CompareOrdinal(order[0].Id, order[1].Id).ShouldBeLessThan(0);
        order.ShouldAllBe(x => x.State == JobState.Running && x.Worker == "w1" && x.Deliveries == 1 && x.Started != null);
    }

    [Fact]
    public async Task Claim_TwoWorkersAtOneQueue_GetEachJobOnce()
    {
        var queue = server.Make();
        for (var i = 0; i < 20; i++) await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();

        var taken = await Task.WhenAll(Enumerable.Range(0, 2).Select(w => Task.Run(async () =>
        {
            var mine = new List<string>();
            while (await queue.ClaimAsync($"w{w}") is { } lease)
            {
                await queue.CompleteAsync(lease, "made");
                mine.Add(lease.Id);
            }
            return mine;
        }))).DefaultTimeout();

        taken.SelectMany(x => x).Distinct().Count().ShouldBe(20);
        taken.Sum(x => x.Count).ShouldBe(20);
        (await queue.DepthAsync().DefaultTimeout()).ShouldBe(0);
    }

    [Fact]
    public async Task Complete_AJob_KeepsItsResultAndEvents()
    {
        var queue = server.Make();
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();
        byte[] words = [0, 255, 10, 13, 39];

        await queue.TellAsync(lease, words, Encoding.UTF8.GetBytes("so far")).DefaultTimeout();
        await queue.CompleteAsync(lease, "jobs/x/result").DefaultTimeout();

        var job = (await queue.GetAsync(id).DefaultTimeout())!;
        (job.State, job.Result, job.Worker, job.IsOver).ShouldBe((JobState.Succeeded, "jobs/x/result", "", true));
        Encoding.UTF8.GetString(job.Progress!).ShouldBe("so far");
        var events = await queue.EventsAsync(id, 1, 100).DefaultTimeout();
        events.Select(x => x.Number).ShouldBe([1L, 2, 3, 4]);
        events.Select(x => x.State).ShouldBe([JobState.Queued, JobState.Running, null, JobState.Succeeded]);
        events[2].Body.ShouldBe(words);
        (await queue.EventsAsync(id, 3, 100).DefaultTimeout()).Select(x => x.Number).ShouldBe([3L, 4]);
        (await queue.EventsAsync(id, 1, 2).DefaultTimeout()).Select(x => x.Number).ShouldBe([1L, 2]);
    }

    [Fact]
    public async Task Events_MoreThanAreKept_DropTheOldest()
    {
        var queue = server.Make(change: x => x with { MaxEvents = 10 });
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();
        for (var i = 0; i < 30; i++) await queue.TellAsync(lease, [1], null).DefaultTimeout();

        (await queue.EventsAsync(id, 1, 100).DefaultTimeout()).Select(x => x.Number).ShouldBe(Enumerable.Range(23, 10).Select(x => (long)x));
    }

    [Fact]
    public async Task Worker_FallsSilent_ItsJobGoesToAnotherAndItCanWriteNoMore()
    {
        var queue = server.Make(Short);
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var old = await queue.TakeAsync("old");

        var young = await queue.TakeLapsedAsync("young");

        (young.Id, young.Job.Worker, young.Job.Deliveries).ShouldBe((id, "young", 2));
        young.Token.ShouldBeGreaterThan(old.Token);
        young.Job.Error.ShouldContain("old");
        await Should.ThrowAsync<LeaseLostException>(() => queue.RenewAsync(old).DefaultTimeout());
        await Should.ThrowAsync<LeaseLostException>(() => queue.TellAsync(old, [1], null).DefaultTimeout());
        await Should.ThrowAsync<LeaseLostException>(() => queue.CompleteAsync(old, "stale").DefaultTimeout());
        await Should.ThrowAsync<LeaseLostException>(() => queue.FailAsync(old, "stale").DefaultTimeout());
        await Should.ThrowAsync<LeaseLostException>(() => queue.GiveBackAsync(old).DefaultTimeout());
        await Should.ThrowAsync<LeaseLostException>(() => queue.RetryAsync(old, "stale", TimeSpan.Zero).DefaultTimeout());
        await queue.CompleteAsync(young, "fresh").DefaultTimeout();
        (await queue.GetAsync(id).DefaultTimeout())!.Result.ShouldBe("fresh");
        (await queue.StatesToldAsync(id)).ShouldBe([JobState.Queued, JobState.Running, JobState.Running, JobState.Succeeded]);
    }

    [Fact]
    public async Task Renew_TheOneWhoseTurnCame_KeepsTheJobThoughOthersAsk()
    {
        // Between renewals there is only asking, so that no pause of this machine looks like a worker's silence.
        var queue = server.Make(TimeSpan.FromSeconds(5));
        await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();
        var lease = await queue.TakeAsync("w1");

        for (var i = 0; i < 50; i++)
        {
            (await queue.RenewAsync(lease).DefaultTimeout()).ShouldBe(JobWish.None);
            (await queue.ClaimAsync("w2").DefaultTimeout()).ShouldBeNull();
        }
    }

    [Fact]
    public async Task Complete_ASecondTime_IsTakenAsTheFirst()
    {
        // As when the server's answer to the first was lost.
        var queue = server.Make();
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();

        await queue.CompleteAsync(lease, "made").DefaultTimeout();
        await queue.CompleteAsync(lease, "made").DefaultTimeout();

        (await queue.ClaimAsync("w2").DefaultTimeout()).ShouldBeNull();
        (await queue.StatesToldAsync(id)).ShouldBe([JobState.Queued, JobState.Running, JobState.Succeeded]);
    }

    [Fact]
    public async Task Job_ThatLosesEveryWorker_IsADeadLetterWithItsLastError()
    {
        var queue = server.Make(TimeSpan.FromMilliseconds(30), x => x with { MaxDeliveries = 3 });
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;

        var job = await queue.WhenAsync(id, x => x.IsOver);

        (job.State, job.Deliveries).ShouldBe((JobState.Failed, 3));
        job.Error.ShouldContain("3 tries");
        job.Error.ShouldContain("sweeper was lost");
        (await queue.DepthAsync().DefaultTimeout()).ShouldBe(0);
    }

    [Fact]
    public async Task Retry_ThatNeverHelps_EndsAsADeadLetterWithTheReason()
    {
        var queue = server.Make(change: x => x with { MaxDeliveries = 3 });
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        for (var i = 0; i < 3; i++) await queue.RetryAsync(await queue.TakeAsync(), $"device lost {i}", TimeSpan.Zero).DefaultTimeout();

        (await queue.ClaimAsync("w1").DefaultTimeout()).ShouldBeNull();

        var job = (await queue.GetAsync(id).DefaultTimeout())!;
        job.State.ShouldBe(JobState.Failed);
        job.Error.ShouldContain("device lost 2");
    }

    [Fact]
    public async Task GiveBack_ByAWorkerThatGoesDown_CountsAsNoDeliveryAndComesFirst()
    {
        var queue = server.Make(change: x => x with { MaxDeliveries = 2 });
        var first = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();

        for (var i = 0; i < 5; i++)
        {
            var lease = await queue.TakeAsync();
            lease.Id.ShouldBe(first);
            lease.Job.Deliveries.ShouldBe(1);
            await queue.GiveBackAsync(lease).DefaultTimeout();
            (await queue.StateAsync(first)).ShouldBe(JobState.Queued);
        }
    }

    [Fact]
    public async Task Cancel_AJobThatRuns_IsItsWorkersWishAndDoneWhenItStops()
    {
        var queue = server.Make();
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();
        using var signal = queue.Signals.Listen(id);
        (await queue.Signals.SubscribeAsync(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();

        var asked = await queue.CancelAsync(id).DefaultTimeout();
        await signal.WaitAsync(TimeoutExtensions.Default, CancellationToken.None).DefaultTimeout();

        (asked!.State, asked.Wish).ShouldBe((JobState.Running, JobWish.Cancel));
        (await queue.PauseAsync(id).DefaultTimeout())!.Wish.ShouldBe(JobWish.Cancel, "a cancelled job is not paused instead");
        (await queue.RenewAsync(lease).DefaultTimeout()).ShouldBe(JobWish.Cancel);
        await queue.GiveBackAsync(lease).DefaultTimeout();
        (await queue.StateAsync(id)).ShouldBe(JobState.Cancelled);
        (await queue.ClaimAsync("w2").DefaultTimeout()).ShouldBeNull();
        (await queue.ResumeAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Cancelled);
    }

    [Fact]
    public async Task Cancel_AJobWhoseWorkerIsLost_IsDoneWhenTheLeaseLapses()
    {
        var queue = server.Make(Short);
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        await queue.TakeAsync();
        await queue.CancelAsync(id).DefaultTimeout();

        (await queue.WhenAsync(id, x => x.IsOver)).State.ShouldBe(JobState.Cancelled);
    }

    [Fact]
    public async Task Pause_AJobThatWaitsOrRuns_KeepsItOutOfTheQueueUntilItIsResumed()
    {
        var queue = server.Make();
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;

        (await queue.PauseAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Paused);
        (await queue.ClaimAsync("w1").DefaultTimeout()).ShouldBeNull();
        (await queue.ResumeAsync(id).DefaultTimeout())!.State.ShouldBe(JobState.Queued);
        var lease = await queue.TakeAsync();
        await queue.PauseAsync(id).DefaultTimeout();
        (await queue.RenewAsync(lease).DefaultTimeout()).ShouldBe(JobWish.Pause);
        await queue.GiveBackAsync(lease).DefaultTimeout();

        (await queue.StateAsync(id)).ShouldBe(JobState.Paused);
        (await queue.ClaimAsync("w1").DefaultTimeout()).ShouldBeNull();
        await queue.ResumeAsync(id).DefaultTimeout();
        (await queue.TakeAsync()).Id.ShouldBe(id);
    }

    [Fact]
    public async Task Resume_BeforeTheWorkerHasStopped_LetsItGoOn()
    {
        var queue = server.Make();
        var id = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();
        await queue.PauseAsync(id).DefaultTimeout();
        await queue.ResumeAsync(id).DefaultTimeout();

        (await queue.RenewAsync(lease).DefaultTimeout()).ShouldBe(JobWish.None);
        (await queue.StateAsync(id)).ShouldBe(JobState.Running);
    }

    [Fact]
    public async Task Server_RestartedInTheMiddle_KnowsJobsLeasesAndEvents()
    {
        await using var own = await RedisServer.StartAsync(appendOnly: true);
        await using var link = new RedisLink(own.Connection);
        var queue = new JobStore(link, new JobQueueOptions { Lease = TimeSpan.FromHours(1), Timeout = TimeSpan.FromSeconds(1) });
        var running = (await queue.SubmitAsync(QueueActions.Job() with { RequestId = "r" }).DefaultTimeout()).Id;
        var waiting = (await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout()).Id;
        var lease = await queue.TakeAsync();
        await queue.TellAsync(lease, [7], [8]).DefaultTimeout();

        await own.StopAsync();
        await Should.ThrowAsync<QueueUnavailableException>(() => queue.RenewAsync(lease).DefaultTimeout());
        await own.StartAgainAsync();

        using var signal = queue.Signals.Listen("nothing");
        while (true)
        {
            try
            {
                (await queue.RenewAsync(lease).DefaultTimeout()).ShouldBe(JobWish.None);
                break;
            }
            catch (QueueUnavailableException)
            {
                await signal.WaitAsync(TimeSpan.FromMilliseconds(50), CancellationToken.None).DefaultTimeout();
            }
        }
        (await queue.GetAsync(running).DefaultTimeout())!.Progress.ShouldBe([8]);
        (await queue.EventsAsync(running, 1, 10).DefaultTimeout()).Count.ShouldBe(3);
        (await queue.SubmitAsync(QueueActions.Job() with { RequestId = "r" }).DefaultTimeout()).ShouldBe(new Submission(running, Existed: true));
        await queue.CompleteAsync(lease, "made").DefaultTimeout();
        (await queue.TakeAsync()).Id.ShouldBe(waiting);
        (await queue.ClaimAsync("w1").DefaultTimeout()).ShouldBeNull();
    }
}
