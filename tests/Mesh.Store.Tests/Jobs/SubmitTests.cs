using Mesh.Store.Jobs;
using Mesh.Testing;

namespace Mesh.Store.Tests.Jobs;

public sealed class SubmitTests(QueueServer server) : IClassFixture<QueueServer>
{
    [Fact]
    public async Task Submit_AJob_IsKnownWithEverythingItWasGiven()
    {
        var queue = server.Make();

        var made = await queue.SubmitAsync(QueueActions.Job("rate: 0.1 \"é\"") with { Title = "a title", Priority = JobPriority.High }).DefaultTimeout();

        made.Existed.ShouldBeFalse();
        var job = (await queue.GetAsync(made.Id).DefaultTimeout())!;
        (job.Kind, job.Body, job.Caller, job.Title, job.Priority, job.State).ShouldBe(("flow", "rate: 0.1 \"é\"", "me", "a title", JobPriority.High, JobState.Queued));
        (job.Deliveries, job.Worker, job.LastEvent, job.Started, job.IsOver).ShouldBe((0, "", 1L, null, false));
        (DateTimeOffset.UtcNow - job.Submitted).Duration().ShouldBeLessThan(TimeSpan.FromMinutes(1));
        (await queue.GetAsync("nosuch").DefaultTimeout()).ShouldBeNull();
    }

    [Fact]
    public async Task Submit_OneRequestIdManyTimesAtOnce_MakesOneJob()
    {
        var queue = server.Make();
        var job = QueueActions.Job() with { RequestId = "r1" };

        var all = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => Task.Run(() => queue.SubmitAsync(job)))).DefaultTimeout();

        all.Select(x => x.Id).Distinct().Count().ShouldBe(1);
        all.Count(x => !x.Existed).ShouldBe(1);
        (await queue.DepthAsync().DefaultTimeout()).ShouldBe(1);
        (await queue.SubmitAsync(job with { Caller = "another" }).DefaultTimeout()).Existed.ShouldBeFalse("a request id is its caller's own");
    }

    [Fact]
    public async Task Submit_ARequestIdForAnotherJob_IsRefused()
    {
        var queue = server.Make();
        await queue.SubmitAsync(QueueActions.Job() with { RequestId = "r1" }).DefaultTimeout();

        var fault = await Should.ThrowAsync<JobRefusedException>(() => queue.SubmitAsync(QueueActions.Job("other work") with { RequestId = "r1" }).DefaultTimeout());

        fault.Refusal.ShouldBe(JobRefusal.RequestIdReused);
        (await queue.DepthAsync().DefaultTimeout()).ShouldBe(1);
    }

    [Fact]
    public async Task Submit_ManyAtOnceBeyondTheQuota_LetsInExactlyTheQuota()
    {
        var queue = server.Make(change: x => x with { MaxPerCaller = 5 });

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => Task.Run(async () =>
        {
            try
            {
                await queue.SubmitAsync(QueueActions.Job());
                return (JobRefusal?)null;
            }
            catch (JobRefusedException e)
            {
                return e.Refusal;
            }
        }))).DefaultTimeout();

        outcomes.Count(x => x is null).ShouldBe(5);
        outcomes.Count(x => x == JobRefusal.QuotaExceeded).ShouldBe(35);
        var lease = await queue.TakeAsync();
        await queue.CompleteAsync(lease, "made").DefaultTimeout();
        await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();
        await Should.ThrowAsync<JobRefusedException>(() => queue.SubmitAsync(QueueActions.Job()).DefaultTimeout());
    }

    [Fact]
    public async Task Submit_BeyondTheDepth_IsRefusedUntilThereIsRoom()
    {
        var queue = server.Make(change: x => x with { MaxQueued = 2 });
        await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();
        var second = await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();

        (await Should.ThrowAsync<JobRefusedException>(() => queue.SubmitAsync(QueueActions.Job()).DefaultTimeout())).Refusal.ShouldBe(JobRefusal.QueueFull);

        await queue.CancelAsync(second.Id).DefaultTimeout();
        await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();
    }

    [Fact]
    public async Task Submit_NoServer_IsUnavailable()
    {
        await using var own = await RedisServer.StartAsync(appendOnly: true);
        await using var link = new RedisLink(own.Connection);
        var queue = new JobStore(link, new JobQueueOptions { Timeout = TimeSpan.FromSeconds(1) });
        await own.StopAsync();

        await Should.ThrowAsync<QueueUnavailableException>(() => queue.SubmitAsync(QueueActions.Job()).DefaultTimeout());

        await own.StartAgainAsync();
        using var signal = queue.Signals.Listen("nothing");
        while (true)
        {
            try
            {
                await queue.SubmitAsync(QueueActions.Job()).DefaultTimeout();
                break;
            }
            catch (QueueUnavailableException)
            {
                // The client connects again by itself, when it sees fit.
                await signal.WaitAsync(TimeSpan.FromMilliseconds(50), CancellationToken.None).DefaultTimeout();
            }
        }
    }

    [Fact]
    public async Task List_PagesAndFilters_GiveEveryJobOnceTheNewestFirst()
    {
        var queue = server.Make();
        var ids = new List<string>();
        for (var i = 0; i < 7; i++) ids.Add((await queue.SubmitAsync(new NewJob(i % 2 == 0 ? "flow" : "pairs", "work", "me")).DefaultTimeout()).Id);
        await queue.CancelAsync(ids[2]).DefaultTimeout();

        var found = new List<string>();
        string? next = null;
        do
        {
            var page = await queue.ListAsync(next, 3, [], null).DefaultTimeout();
            page.Jobs.Count.ShouldBeLessThanOrEqualTo(3);
            found.AddRange(page.Jobs.Select(x => x.Id));
            next = page.Next;
        }
        while (next is not null);

        found.ShouldBe(found.OrderDescending(StringComparer.Ordinal));
        found.Order(StringComparer.Ordinal).ShouldBe(ids.Order(StringComparer.Ordinal));
        (await queue.ListAsync(null, 50, [], "pairs").DefaultTimeout()).Jobs.Select(x => x.Id).ShouldBe([ids[1], ids[3], ids[5]], ignoreOrder: true);
        (await queue.ListAsync(null, 50, [JobState.Cancelled], null).DefaultTimeout()).Jobs.Select(x => x.Id).ShouldBe([ids[2]]);
        (await queue.ListAsync(null, 50, [JobState.Queued, JobState.Cancelled], "flow").DefaultTimeout()).Jobs.Count.ShouldBe(4);
    }
}
