using Grpc.Core;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Trainer.V1;
using Mesh.Models.Recipes;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Status = Google.Rpc.Status;

namespace Mesh.Trainer.Tests;

/// <summary>From pictures to a model in the place of one that is served; the gateway alone is a fake.</summary>
public sealed class PromotionTests : IAsyncLifetime
{
    private const string Model = "emoji";

    private readonly Workshop _shop = new();
    private readonly Gateway _gateway = new();
    private RedisServer _redis = null!;
    private TestServer _server = null!;

    public async Task InitializeAsync()
    {
        _redis = await RedisServer.StartAsync(appendOnly: true);
        _server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton(_gateway);
            },
            app => app.MapGrpcService<Gateway>());
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        await _redis.DisposeAsync();
        _shop.Dispose();
    }

    [Fact]
    public async Task Model_TrainedSplitJudgedAndPromoted_IsServedUntilItIsRolledBack()
    {
        await using var trainer = await StartAsync();
        await using var helper = await RunningTrainer.StartAsync(_shop.Root, _redis.Connection);
        var tokenizer = (await trainer.DoAsync("tokenizer", Workshop.Tokenizer)).Result;
        var autoencoder = (await trainer.DoAsync("autoencoder", Workshop.Autoencoder(4))).Result;
        var flow = await trainer.DoAsync("flow", Workshop.Flow(autoencoder, tokenizer));
        var scorer = (await trainer.DoAsync("scorer", Workshop.Scorer(tokenizer))).Result;
        var judged = await trainer.DoAsync("evaluate", Workshop.Evaluate(flow.Result, scorer));
        await SplitAsync(trainer, flow.Result);

        // What is served before anything was promoted.
        var description = _shop.Path($"models/{Model}.model");
        Directory.CreateDirectory(Path.GetDirectoryName(description)!);
        await File.WriteAllTextAsync(description, "base: /somewhere/else\n");
        var good = new Threshold { Measure = "seen.caption_accuracy", AtLeast = 0, AtMost = 1 };

        await RefusalsAsync(trainer, flow, judged, good, description);

        var promoted = await trainer.Jobs.PromoteCheckpointAsync(Request(flow, judged, good)).ResponseAsync.DefaultTimeout();
        (promoted.Version.Model, promoted.Version.Number, promoted.Version.JobId, promoted.Outcomes.Count).ShouldBe((Model, 1, flow.Id, 1));
        _gateway.Asked.ShouldBe([Model, Model], "the stages that refused were asked before");
        var served = ModelDescription.Open(description);
        served.Folder.ShouldBe(promoted.Version.Folder);
        File.ReadAllBytes(Path.Combine(served.Folder, "unet/diffusion_pytorch_model.safetensors")).ShouldBe(File.ReadAllBytes(_shop.Path($"{flow.Result}/unet/diffusion_pytorch_model.safetensors")));

        (await trainer.Jobs.PromoteCheckpointAsync(Request(flow, judged, good)).ResponseAsync.DefaultTimeout()).Version.Number.ShouldBe(2);
        foreach (var number in new[] { 1, 0 })
            (await trainer.Jobs.RollBackModelAsync(new RollBackModelRequest { Model = Model }).ResponseAsync.DefaultTimeout()).Version.Number.ShouldBe(number);
        ModelDescription.Open(description).Folder.ShouldBe("/somewhere/else");
        (await RunningTrainer.RefusedAsync(() => trainer.Jobs.RollBackModelAsync(new RollBackModelRequest { Model = Model }).ResponseAsync)).StatusCode.ShouldBe(StatusCode.FailedPrecondition);
    }

    private async Task SplitAsync(RunningTrainer trainer, string teacher)
    {
        var whole = await trainer.DoAsync("pairs", Workshop.Pairs(teacher));
        var split = await trainer.DoAsync("pairs", Workshop.Pairs(teacher), shards: 3);

        (split.Shards, split.ShardsDone, split.Result).ShouldBe((3, 3, $"jobs/{split.Id}/result"));
        Files(split.Result).Keys.Count.ShouldBe(4);
        Files(split.Result).ShouldBe(Files(whole.Result), "parts made anywhere are those of the whole");
        var events = await trainer.WatchAsync(split.Id);
        events.Where(x => x.HasShard).Select(x => x.Shard).Distinct().Order().ShouldBe([0, 1, 2]);
        events.Last(x => x.State is not null && !x.HasShard).State.State.ShouldBe(JobState.Succeeded);
    }

    private Dictionary<string, string> Files(string folder) => Directory.EnumerateFiles(_shop.Path(folder)).Order(StringComparer.Ordinal)
        .ToDictionary(x => Path.GetFileName(x), x => Convert.ToHexString(File.ReadAllBytes(x)));

    private async Task RefusalsAsync(RunningTrainer trainer, Job flow, Job judged, Threshold good, string description)
    {
        async Task<StatusCode> Refused(PromoteCheckpointRequest request) =>
            (await RunningTrainer.RefusedAsync(() => trainer.Jobs.PromoteCheckpointAsync(request).ResponseAsync)).StatusCode;

        (await Refused(Request(flow, judged, new Threshold { Measure = good.Measure, AtLeast = 1.5 }))).ShouldBe(StatusCode.FailedPrecondition);
        (await Refused(Request(flow, judged, new Threshold { Measure = "seen.beauty", AtLeast = 0 }))).ShouldBe(StatusCode.FailedPrecondition);
        (await Refused(Request(flow, judged, new Threshold { Measure = good.Measure }))).ShouldBe(StatusCode.InvalidArgument);
        (await Refused(Request(judged, judged, good))).ShouldBe(StatusCode.InvalidArgument, "it was another model that was judged");
        (await Refused(Request(flow, flow, good))).ShouldBe(StatusCode.InvalidArgument);
        (await Refused(new PromoteCheckpointRequest { JobId = flow.Id, EvaluationJobId = judged.Id, Model = "../x", Thresholds = { good } })).ShouldBe(StatusCode.InvalidArgument);
        _gateway.Asked.ShouldBeEmpty();

        _gateway.Answer = new Status { Code = (int)StatusCode.FailedPrecondition, Message = "no such layer" };
        (await Refused(Request(flow, judged, good))).ShouldBe(StatusCode.FailedPrecondition);
        _gateway.Answer = new Status();
        (await File.ReadAllTextAsync(description)).ShouldBe("base: /somewhere/else\n", "what the stages refuse is taken back");

        var weights = _shop.Path($"{flow.Result}/unet/diffusion_pytorch_model.safetensors");
        var bytes = await File.ReadAllBytesAsync(weights);
        await File.WriteAllBytesAsync(weights, [.. bytes[..^1], (byte)(bytes[^1] ^ 1)]);
        (await Refused(Request(flow, judged, good))).ShouldBe(StatusCode.FailedPrecondition, "a damaged result is not served");
        await File.WriteAllBytesAsync(weights, bytes);
    }

    private static PromoteCheckpointRequest Request(Job job, Job evaluation, Threshold bound) => new() { JobId = job.Id, EvaluationJobId = evaluation.Id, Model = Model, Thresholds = { bound } };

    private Task<RunningTrainer> StartAsync() => RunningTrainer.StartAsync(_shop.Root, _redis.Connection, ("Mesh:Trainer:Gateway", _server.Address(Transport.Plain).ToString()));

    /// <summary>Tells what it was asked, and answers as it is told.</summary>
    private sealed class Gateway : GatewayService.GatewayServiceBase
    {
        public List<string> Asked { get; } = [];

        public Status Answer { get; set; } = new();

        public override Task<LoadModelResponse> LoadModel(LoadModelRequest request, ServerCallContext context)
        {
            Asked.Add(request.Model.Id);
            return Task.FromResult(new LoadModelResponse { Outcomes = { new ReplicaOutcome { Stage = "generator", Address = "here", Status = Answer } } });
        }
    }
}
