using Mesh.Contracts.Trainer.V1;
using Mesh.Testing;

namespace Mesh.Trainer.Tests;

/// <summary>Trainers in processes of their own, that are killed, stopped for a while, or run out of room.</summary>
public sealed class KilledTests : IAsyncLifetime
{
    private const double Lease = 2;

    private readonly Workshop _shop = new();
    private RedisServer _redis = null!;

    public async Task InitializeAsync() => _redis = await RedisServer.StartAsync(appendOnly: true);

    public async Task DisposeAsync()
    {
        await _redis.DisposeAsync();
        _shop.Dispose();
    }

    [Fact]
    public async Task Trainer_KilledInTheMiddle_AnotherGoesOnFromTheLastCheckpointToTheSameEnd()
    {
        var specification = Workshop.Autoencoder(400, checkpointSteps: 7, sampleSteps: 0);
        await using var first = await StartAsync();
        await using var second = await StartAsync("--Mesh:Trainer:Work=false");
        var job = await first.SubmitAsync("autoencoder", specification);
        var before = await second.WatchAsync(job.Id, x => x.Checkpoint?.Step >= 14);

        await first.KillAsync();
        await using var third = await StartAsync();
        var events = await third.WatchAsync(job.Id);

        events[^1].State.State.ShouldBe(JobState.Succeeded);
        var lost = events.Where(x => x.State?.State == JobState.Running).ToList();
        lost.Count.ShouldBe(2);
        lost[1].State.Worker.ShouldNotBe(lost[0].State.Worker);
        lost[1].State.Reason.ShouldContain(lost[0].State.Worker);
        var resumed = events.Last(x => x.Began is not null).Began;
        resumed.Step.ShouldBe(resumed.Step / 7 * 7, "it goes on from a checkpoint");
        resumed.Step.ShouldBeGreaterThanOrEqualTo(before.Last(x => x.Checkpoint is not null).Checkpoint.Step, "no step is lost beyond the last checkpoint");
        (await third.GetAsync(job.Id)).Deliveries.ShouldBe(2);
        (await DigestAsync(third, job.Id)).ShouldBe(await DigestAsync(third, await DoAsync(third, specification)));
    }

    [Fact]
    public async Task Trainer_ThatSleptThroughItsLease_WritesNothingMore()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync("--Mesh:Trainer:Work=false");
        var job = await first.SubmitAsync("autoencoder", Workshop.Autoencoder(100_000, checkpointSteps: 3, sampleSteps: 0));
        await second.WatchAsync(job.Id, x => x.Checkpoint?.Step >= 3);
        await first.SignalAsync("-STOP");

        await using var third = await StartAsync();
        var taken = await second.WatchAsync(job.Id, x => x.Began?.Step > 0);
        var worker = taken.Last(x => x.State is not null).State.Worker;
        // Ended by its new owner: whatever changes in its folder from now on is the old one's doing.
        await second.Jobs.CancelJobAsync(new CancelJobRequest { Id = job.Id }).ResponseAsync.DefaultTimeout();
        await second.WatchAsync(job.Id);
        var left = Snapshot(job.Id);
        await first.SignalAsync("-CONT");

        // It takes another job only once it has let go of the first.
        await third.KillAsync();
        var next = await first.SubmitAsync("tokenizer", Workshop.Tokenizer);
        (await first.WatchAsync(next.Id)).Last().State.State.ShouldBe(JobState.Succeeded);
        Snapshot(job.Id).ShouldBe(left);
        var end = await first.WatchAsync(job.Id);
        (end[^1].State.State, end[^1].State.Worker).ShouldBe((JobState.Cancelled, worker));
    }

    [Fact]
    public async Task Job_ThatRunsOutOfRoom_FailsWithTheReasonAndKeepsItsLastCheckpoint()
    {
        await using var trainer = await StartAsync();
        var job = await trainer.SubmitAsync("autoencoder", Workshop.Autoencoder(100_000, checkpointSteps: 5, sampleSteps: 0));
        await trainer.WatchAsync(job.Id, x => x.Checkpoint?.Step >= 10);

        await trainer.LimitFilesAsync("1024");
        var events = await trainer.WatchAsync(job.Id);
        await trainer.LimitFilesAsync("unlimited");

        events[^1].State.State.ShouldBe(JobState.Failed);
        events[^1].State.Reason.ShouldNotBeEmpty();
        (await trainer.GetAsync(job.Id)).Error.Message.ShouldBe(events[^1].State.Reason);
        var kept = (await trainer.Jobs.ListCheckpointsAsync(new ListCheckpointsRequest { Id = job.Id }).ResponseAsync.DefaultTimeout()).Checkpoints;
        kept.Count.ShouldBeGreaterThan(0);
        kept[0].Fault.ShouldBeEmpty();
        kept[0].Step.ShouldBe(events.Last(x => x.Checkpoint is not null).Checkpoint.Step);
        (await trainer.WatchAsync((await trainer.SubmitAsync("tokenizer", Workshop.Tokenizer)).Id)).Last().State.State.ShouldBe(JobState.Succeeded, "the trainer goes on with other jobs");
    }

    private Task<TrainerProcess> StartAsync(params string[] more) => TrainerProcess.StartAsync(_shop.Root, _redis.Connection, Lease, more);

    private static async Task<string> DoAsync(TrainerProcess trainer, string specification)
    {
        var job = await trainer.SubmitAsync("autoencoder", specification);
        (await trainer.WatchAsync(job.Id)).Last().State.State.ShouldBe(JobState.Succeeded);
        return job.Id;
    }

    private static async Task<string> DigestAsync(TrainerProcess trainer, string id) =>
        (await trainer.Jobs.ListCheckpointsAsync(new ListCheckpointsRequest { Id = id }).ResponseAsync.DefaultTimeout()).Checkpoints.Single(x => x.Final).Sha256;

    private Dictionary<string, string> Snapshot(string id) => Directory.EnumerateFiles(_shop.Path($"jobs/{id}"), "*", SearchOption.AllDirectories)
        .ToDictionary(x => x, x => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(x))));
}
