using Google.LongRunning;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Trainer.V1;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Trainer.Tests;

public sealed class JobTests : IAsyncLifetime
{
    private readonly Workshop _shop = new();
    private RedisServer _redis = null!;

    public async Task InitializeAsync() => _redis = await RedisServer.StartAsync(appendOnly: true);

    public async Task DisposeAsync()
    {
        await _redis.DisposeAsync();
        _shop.Dispose();
    }

    [Fact]
    public async Task Job_SubmittedAndWatched_TellsEverythingAndLeavesItsResult()
    {
        await using var trainer = await StartAsync();
        var job = await trainer.SubmitAsync("autoencoder", Workshop.Autoencoder(6));

        var events = await trainer.WatchAsync(job.Id, pictures: true);

        var numbered = events.Where(x => x.Number > 0).ToList();
        numbered.Select(x => x.Number).ShouldBe(Enumerable.Range(1, numbered.Count).Select(x => (long)x));
        numbered.Where(x => x.State is not null).Select(x => x.State.State).ShouldBe([JobState.Queued, JobState.Running, JobState.Succeeded]);
        var ticks = numbered.Where(x => x.Progress is not null).Select(x => x.Progress).ToList();
        ticks.Select(x => x.Step).ShouldBe([1L, 2, 3, 4, 5, 6]);
        ticks.ShouldAllBe(x => x.TotalSteps == 6 && x.ImagesPerSecond > 0 && x.Losses["loss"] > 0 && x.LearningRate == 0.003 && x.Times.Backward > 0);
        numbered.Where(x => x.Checkpoint is not null).Select(x => x.Checkpoint.Step).ShouldBe([2L, 4, 6]);

        var sample = events.First(x => x.Sample is not null);
        var chunks = events.SkipWhile(x => x != sample).Skip(1).TakeWhile(x => x.Chunk is not null).Select(x => x.Chunk).ToList();
        chunks.SelectMany(x => x.Data.ToByteArray()).ToArray().ShouldBe(File.ReadAllBytes(_shop.Path(sample.Sample.Path)));
        chunks.Count(x => x.Last).ShouldBe(1);

        var done = await trainer.GetAsync(job.Id);
        (done.State, done.Result, done.Deliveries, done.LastEvent, done.Progress.Step).ShouldBe((JobState.Succeeded, $"jobs/{job.Id}/result", 1, numbered[^1].Number, 6L));
        File.Exists(_shop.Path($"{done.Result}/vae/config.json")).ShouldBeTrue();
        var kept = (await trainer.Jobs.ListCheckpointsAsync(new ListCheckpointsRequest { Id = job.Id }).ResponseAsync.DefaultTimeout()).Checkpoints;
        kept.Select(x => (x.Final, x.Step, x.Fault, x.Promotable)).ShouldBe([(true, 0L, "", false), (false, 6L, "", false), (false, 4L, "", false)]);
        (await trainer.WatchAsync(job.Id, first: 5)).Select(x => x.Number).ShouldBe(numbered.Select(x => x.Number).Skip(4));
    }

    [Fact]
    public async Task Checkpoint_ChangedOnDisk_IsListedAsFaulty()
    {
        await using var trainer = await StartAsync();
        var job = await trainer.DoAsync("autoencoder", Workshop.Autoencoder(4));
        await File.AppendAllTextAsync(_shop.Path($"jobs/{job.Id}/checkpoints/step-0000000004/state.json"), " ");
        await File.AppendAllTextAsync(_shop.Path($"jobs/{job.Id}/result/vae/config.json"), " ");

        var kept = (await trainer.Jobs.ListCheckpointsAsync(new ListCheckpointsRequest { Id = job.Id }).ResponseAsync.DefaultTimeout()).Checkpoints;

        kept.Select(x => x.Fault.Length > 0).ShouldBe([true, true, false]);
        kept[1].Fault.ShouldContain("state.json");
    }

    [Fact]
    public async Task Job_IsAnOperationToo()
    {
        await using var trainer = await StartAsync();
        var job = await trainer.SubmitAsync("tokenizer", Workshop.Tokenizer);
        var name = "jobs/" + job.Id;

        var done = await trainer.Operations.WaitOperationAsync(new WaitOperationRequest { Name = name }).ResponseAsync.DefaultTimeout();

        done.Done.ShouldBeTrue();
        done.Response.Unpack<Job>().Result.ShouldBe($"{name}/result");
        done.Metadata.Unpack<Job>().Kind.ShouldBe("tokenizer");
        (await trainer.Operations.GetOperationAsync(new GetOperationRequest { Name = name }).ResponseAsync.DefaultTimeout()).ShouldBe(done);
        (await trainer.Operations.ListOperationsAsync(new ListOperationsRequest { Name = "jobs" }).ResponseAsync.DefaultTimeout()).Operations.ShouldBe([done]);
        (await RunningTrainer.RefusedAsync(() => trainer.Operations.GetOperationAsync(new GetOperationRequest { Name = "jobs/none" }).ResponseAsync)).StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task Operation_WaitedForNotLongEnough_IsToldAsItIs()
    {
        await using var trainer = await StartAsync(("Mesh:Trainer:Work", "false"));
        var job = await trainer.SubmitAsync("tokenizer", Workshop.Tokenizer);

        var now = await trainer.Operations.WaitOperationAsync(
            new WaitOperationRequest { Name = "jobs/" + job.Id, Timeout = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(50)) }).ResponseAsync.DefaultTimeout();

        (now.Done, now.Metadata.Unpack<Job>().State).ShouldBe((false, JobState.Queued));
        await trainer.Operations.CancelOperationAsync(new CancelOperationRequest { Name = "jobs/" + job.Id }).ResponseAsync.DefaultTimeout();
        now = await trainer.Operations.GetOperationAsync(new GetOperationRequest { Name = "jobs/" + job.Id }).ResponseAsync.DefaultTimeout();
        (now.Done, now.Error.Code).ShouldBe((true, (int)StatusCode.Cancelled));
    }

    [Theory]
    [InlineData("nosuch", """{"data": "data"}""", "kind")]
    [InlineData("", """{"data": "data"}""", "kind")]
    [InlineData("tokenizer", """{"data": "data/none"}""", "specification.data")]
    [InlineData("tokenizer", """{"data": "../elsewhere"}""", "specification.data")]
    [InlineData("tokenizer", """{"data": "/etc"}""", "specification.data")]
    [InlineData("tokenizer", """{}""", "specification.data")]
    [InlineData("tokenizer", """{"data": "data", "vocabulary": "many"}""", "specification.vocabulary")]
    [InlineData("tokenizer", """{"data": "data", "vocabulary": 560.5}""", "specification.vocabulary")]
    [InlineData("tokenizer", """{"data": "data", "surprise": 1}""", "specification.surprise")]
    [InlineData("autoencoder", """{"data": "data", "side": 16, "train": {"images": 4, "rate": -0.1}}""", "specification.train.rate")]
    [InlineData("autoencoder", """{"data": "data", "side": 16, "train": {"images": 0}}""", "specification.train.images")]
    [InlineData("autoencoder", """{"data": "data", "side": 16, "train": 7}""", "specification.train")]
    public async Task Submit_ABadSpecification_IsRefusedByFieldBeforeAnythingIsQueued(string kind, string specification, string field)
    {
        await using var trainer = await StartAsync();

        var refused = await RunningTrainer.RefusedAsync(() => trainer.SubmitAsync(kind, specification));

        refused.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        Details(refused).Unpack<BadRequest>().FieldViolations.Select(x => x.Field).ShouldContain(field);
        (await trainer.Jobs.ListJobsAsync(new ListJobsRequest()).ResponseAsync.DefaultTimeout()).Jobs.ShouldBeEmpty();
        Directory.Exists(_shop.Path("jobs")).ShouldBeFalse();
    }

    [Fact]
    public async Task Submit_FieldsBesideTheSpecification_AreCheckedToo()
    {
        await using var trainer = await StartAsync();

        var refused = await RunningTrainer.RefusedAsync(() => trainer.Jobs.SubmitJobAsync(new SubmitJobRequest
        {
            Kind = "tokenizer", Title = new string('x', 200), RequestId = "a b", Shards = 2, Priority = (JobPriority)9,
        }).ResponseAsync);

        Details(refused).Unpack<BadRequest>().FieldViolations.Select(x => x.Field).ShouldBe(["request_id", "title", "priority", "shards", "specification"], ignoreOrder: true);
    }

    [Fact]
    public async Task Submit_WithoutRedis_IsUnavailable()
    {
        await using (var without = await RunningTrainer.StartAsync(_shop.Root, null))
            (await RunningTrainer.RefusedAsync(() => without.SubmitAsync("tokenizer", Workshop.Tokenizer))).StatusCode.ShouldBe(StatusCode.Unavailable);

        await using var trainer = await StartAsync(("Mesh:Trainer:Work", "false"));
        await _redis.StopAsync();
        (await RunningTrainer.RefusedAsync(() => trainer.SubmitAsync("tokenizer", Workshop.Tokenizer))).StatusCode.ShouldBe(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Submit_ARequestIdAgain_IsTheSameJob()
    {
        await using var trainer = await StartAsync(("Mesh:Trainer:Work", "false"), ("Mesh:Trainer:MaxPerCaller", "1"));
        var request = new SubmitJobRequest { Kind = "tokenizer", Specification = Workshop.Read(Workshop.Tokenizer), RequestId = "r1", Title = "words", Priority = JobPriority.High };

        var first = await trainer.Jobs.SubmitJobAsync(request).ResponseAsync.DefaultTimeout();
        var second = await trainer.Jobs.SubmitJobAsync(request).ResponseAsync.DefaultTimeout();

        (first.Existed, second.Existed, second.Job.Id).ShouldBe((false, true, first.Job.Id));
        (first.Job.Title, first.Job.Priority, first.Job.State).ShouldBe(("words", JobPriority.High, JobState.Queued));
        first.Job.ResolvedSpecification.ShouldContain("vocabulary: 560");
        request.Title = "other words";
        (await RunningTrainer.RefusedAsync(() => trainer.Jobs.SubmitJobAsync(request).ResponseAsync)).StatusCode.ShouldBe(StatusCode.AlreadyExists);
        (await RunningTrainer.RefusedAsync(() => trainer.SubmitAsync("tokenizer", Workshop.Tokenizer))).StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task Calls_ThatNameNoJob_AreRefused()
    {
        await using var trainer = await StartAsync();

        (await RunningTrainer.RefusedAsync(() => trainer.GetAsync("none"))).StatusCode.ShouldBe(StatusCode.NotFound);
        (await RunningTrainer.RefusedAsync(() => trainer.GetAsync(""))).StatusCode.ShouldBe(StatusCode.InvalidArgument);
        (await RunningTrainer.RefusedAsync(() => trainer.WatchAsync("none"))).StatusCode.ShouldBe(StatusCode.NotFound);
        (await RunningTrainer.RefusedAsync(() => trainer.Jobs.CancelJobAsync(new CancelJobRequest { Id = "../data" }).ResponseAsync)).StatusCode.ShouldBe(StatusCode.NotFound);
    }

    private Task<RunningTrainer> StartAsync(params (string, string?)[] settings) => RunningTrainer.StartAsync(_shop.Root, _redis.Connection, settings);

    private static Any Details(RpcException refused) => Google.Rpc.Status.Parser.ParseFrom(refused.Trailers.GetValueBytes(FaultStatus.Trailer)!).Details.Single(x => x.Is(BadRequest.Descriptor));
}
