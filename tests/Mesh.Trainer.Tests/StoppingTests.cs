using Grpc.Core;
using Mesh.Contracts.Trainer.V1;
using Mesh.Testing;

namespace Mesh.Trainer.Tests;

/// <summary>Jobs that are stopped and gone on with, by the same trainer or another.</summary>
public sealed class StoppingTests : IAsyncLifetime
{
    private const int Steps = 40;
    private static readonly string Specification = Workshop.Autoencoder(Steps, checkpointSteps: 5, sampleSteps: 0);

    private readonly Workshop _shop = new();
    private RedisServer _redis = null!;

    public async Task InitializeAsync() => _redis = await RedisServer.StartAsync(appendOnly: true);

    public async Task DisposeAsync()
    {
        await _redis.DisposeAsync();
        _shop.Dispose();
    }

    [Fact]
    public async Task Cancel_AJobThatRuns_StopsItAtItsLastStepWithACheckpointOfIt()
    {
        await using var trainer = await StartAsync();
        var job = await trainer.SubmitAsync("autoencoder", Workshop.Autoencoder(100_000, checkpointSteps: 100_000, sampleSteps: 0));
        await trainer.WatchAsync(job.Id, x => x.Progress?.Step >= 2);

        await trainer.Jobs.CancelJobAsync(new CancelJobRequest { Id = job.Id }).ResponseAsync.DefaultTimeout();
        var events = await trainer.WatchAsync(job.Id);

        events[^1].State.State.ShouldBe(JobState.Cancelled);
        var last = events.Last(x => x.Progress is not null).Progress.Step;
        events.Last(x => x.Checkpoint is not null).Checkpoint.Step.ShouldBe(last);
        (await trainer.GetAsync(job.Id)).State.ShouldBe(JobState.Cancelled);
        (await RunningTrainer.RefusedAsync(() => trainer.Jobs.ResumeJobAsync(new ResumeJobRequest { Id = job.Id }).ResponseAsync)).StatusCode.ShouldBe(StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task Job_PausedAndResumed_EndsAsOneThatWasNot()
    {
        await using var trainer = await StartAsync();
        var straight = await trainer.DoAsync("autoencoder", Specification);
        var job = await trainer.SubmitAsync("autoencoder", Specification);
        await trainer.WatchAsync(job.Id, x => x.Progress?.Step >= 3);

        await trainer.Jobs.PauseJobAsync(new PauseJobRequest { Id = job.Id }).ResponseAsync.DefaultTimeout();
        await trainer.WatchAsync(job.Id, x => x.State?.State == JobState.Paused);
        var paused = await trainer.GetAsync(job.Id);
        paused.State.ShouldBe(JobState.Paused);
        await trainer.Jobs.ResumeJobAsync(new ResumeJobRequest { Id = job.Id }).ResponseAsync.DefaultTimeout();
        var events = await trainer.WatchAsync(job.Id);

        events.Last(x => x.Began is not null).Began.Step.ShouldBe(paused.Progress.Step);
        await SameAsync(trainer, straight.Id, job.Id);
    }

    [Fact]
    public async Task Trainer_GoesDown_GivesItsJobBackAndAnotherEndsItTheSame()
    {
        await using var first = await StartAsync();
        var straight = await first.DoAsync("autoencoder", Specification);
        var job = await first.SubmitAsync("autoencoder", Specification);
        await first.WatchAsync(job.Id, x => x.Progress?.Step >= 3);
        await first.StopAsync();

        // The lease is long: only a job that was given back is taken within this test.
        await using var second = await StartAsync();
        var events = await second.WatchAsync(job.Id);

        events[^1].State.State.ShouldBe(JobState.Succeeded);
        events.Count(x => x.Began is not null).ShouldBe(2);
        events.Last(x => x.Began is not null).Began.ResumedFrom.ShouldNotBeEmpty();
        (await second.GetAsync(job.Id)).Deliveries.ShouldBe(1, "a job that was given back is not one that lost its trainer");
        await SameAsync(second, straight.Id, job.Id);
    }

    [Fact]
    public async Task Redis_RestartedWhileAJobRuns_CostsNothing()
    {
        await using var trainer = await StartAsync();
        var straight = await trainer.DoAsync("autoencoder", Specification);
        var job = await trainer.SubmitAsync("autoencoder", Specification);
        await trainer.WatchAsync(job.Id, x => x.Progress?.Step >= 2);

        await _redis.StopAsync();
        await _redis.StartAgainAsync();

        while (true)
        {
            try
            {
                var events = await trainer.WatchAsync(job.Id);
                events[^1].State.State.ShouldBe(JobState.Succeeded);
                events.Where(x => x.Progress is not null).Select(x => x.Progress.Step).Distinct().Order().ShouldBe(Enumerable.Range(1, Steps).Select(x => (long)x));
                break;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
            {
                // Until the trainer has found it again.
            }
        }
        (await trainer.GetAsync(job.Id)).Deliveries.ShouldBe(1);
        await SameAsync(trainer, straight.Id, job.Id);
    }

    private static async Task SameAsync(RunningTrainer trainer, string one, string other)
    {
        var finals = new List<Checkpoint>();
        foreach (var id in new[] { one, other })
            finals.Add((await trainer.Jobs.ListCheckpointsAsync(new ListCheckpointsRequest { Id = id }).ResponseAsync.DefaultTimeout()).Checkpoints.Single(x => x.Final));
        finals[0].Sha256.Length.ShouldBe(64);
        finals[1].Sha256.ShouldBe(finals[0].Sha256, "what was made must not tell whether it was stopped on the way");
    }

    private Task<RunningTrainer> StartAsync() => RunningTrainer.StartAsync(_shop.Root, _redis.Connection);
}
