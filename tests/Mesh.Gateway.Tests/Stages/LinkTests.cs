using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Tests.Stages;

public sealed class LinkTests
{
    [Fact]
    public async Task Work_TwoReplicas_IsShared()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        mesh.Generators.ForEach(x => x.Hold());
        var request = FakeCalls.Request();
        request.Count = 8;
        var drawing = mesh.Images.DrawAsync(request);

        await FakeCalls.UntilAsync(() => mesh.Generators.Sum(x => x.Received) == 8);

        mesh.Generators.Select(x => x.Running).ShouldBe([4, 4]);
        mesh.Generators.ForEach(x => x.Release());
        (await drawing).Completed.Count.ShouldBe(8);
    }

    [Fact]
    public async Task Work_EitherReplica_GivesTheSameBytes()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);

        var files = new List<byte[]>();
        for (var i = 0; i < 4; i++) files.Add((await mesh.Images.DrawAsync(FakeCalls.Request())).File());

        mesh.Generators.Select(x => x.Received).ShouldBe([2L, 2]);
        foreach (var file in files) file.ShouldBe(files[0]);
    }

    [Fact]
    public async Task Work_OneOfTwoReplicasDies_GoesToTheOther()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        mesh.Generators[0].Hold();
        var request = FakeCalls.Request();
        request.Count = 4;
        var drawing = mesh.Images.DrawAsync(request);
        await FakeCalls.UntilAsync(() => mesh.Generators[0].Running == 2);

        await mesh.Generators[0].KillAsync();

        var drawn = await drawing;
        drawn.Failed.ShouldBeEmpty();
        drawn.Completed.Count.ShouldBe(4);
        mesh.Generators[1].Finished.ShouldBe(4);
        (await mesh.Images.DrawAsync(FakeCalls.Request())).Completed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Work_OnlyReplicaDiesAndReturns_IsSentAgain()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        var drawing = mesh.Images.DrawAsync(FakeCalls.Request());
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 1);

        await mesh.Generator.KillAsync();
        mesh.Generator.Release();
        await mesh.Generator.StartAsync();

        (await drawing).Completed.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("generator")]
    [InlineData("decoder")]
    public async Task Work_ReplicaDiesForGood_FailsSayingSo(string stage)
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Stages:Wait", "00:00:00.2"));
        if (stage == "text") await mesh.Text.KillAsync();
        if (stage == "generator") await mesh.Generator.KillAsync();
        if (stage == "decoder") await mesh.Decoder.KillAsync();

        Google.Rpc.Status status;
        if (stage == "text") status = (await mesh.Images.FailAsync(FakeCalls.Request())).ToStatus();
        else status = (await mesh.Images.DrawAsync(FakeCalls.Request())).Failed.ShouldHaveSingleItem().Status;

        status.Code.ShouldBe((int)StatusCode.Unavailable);
        status.Detail<RetryInfo>()!.RetryDelay.ToTimeSpan().ShouldBeGreaterThan(TimeSpan.Zero);
        status.Detail<ErrorInfo>()!.Metadata["stage"].ShouldBe(stage);
    }

    [Fact]
    public async Task Work_UpsamplerDiesAmongTiles_SendsEachTileOnce()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Upsampler.Hold();
        var request = FakeCalls.Request();
        request.Upscale = new UpscaleOptions();
        var drawing = mesh.Images.DrawAsync(request);
        await FakeCalls.UntilAsync(() => mesh.Upsampler.Running == 1);

        await mesh.Upsampler.KillAsync();
        mesh.Upsampler.Release();
        await mesh.Upsampler.StartAsync();

        var drawn = await drawing;
        drawn.Completed.Count.ShouldBe(1);
        drawn.Events.Where(x => x.Tile is not null).Sum(x => (long)x.Tile.WidthPx * x.Tile.HeightPx).ShouldBe(256L * 256);
    }

    [Fact]
    public async Task Work_NotServingReplica_GetsNothing()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        mesh.Generators[0].SetServing(false);
        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Replicas.Any(x => x.State == Contracts.Gateway.V1.ReplicaState.NotServing));

        for (var i = 0; i < 3; i++) await mesh.Images.DrawAsync(FakeCalls.Request());

        mesh.Generators.Select(x => x.Received).ShouldBe([0L, 3]);
    }

    [Fact]
    public async Task Work_ReplicaIsDraining_GoesToTheOther()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        mesh.Generators.ForEach(x => x.RefuseNext(StatusCode.Unavailable, "going down"));

        (await mesh.Images.DrawAsync(FakeCalls.Request())).Completed.Count.ShouldBe(1);

        mesh.Generators.Select(x => x.Received).Order().ShouldBe([1L, 2]);
    }

    [Fact]
    public async Task Work_OnlyReplicaDrainsAndReturns_IsSentAgain()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.SetServing(false);
        mesh.Generator.RefuseNext(StatusCode.Unavailable, "going down");
        var drawing = mesh.Images.DrawAsync(FakeCalls.Request());
        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Replicas.Single(x => x.Stage == "generator").State != Contracts.Gateway.V1.ReplicaState.Serving);

        mesh.Generator.SetServing(true);

        (await drawing).Completed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Work_ModelWasReplaced_FailsAndTheNextUsesTheNewOne()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Stages:Poll", "00:10:00"));
        var old = (await mesh.Images.DrawAsync(FakeCalls.Request())).Accepted.Model.Version;
        mesh.Generator.Info.Models.Single(x => x.Model.Id == "tiny").Model.Version = "g9";
        mesh.Generator.RefuseNext(StatusCode.FailedPrecondition, "another version", Any.Pack(new ErrorInfo { Domain = "mesh", Reason = "MODEL_VERSION_MISMATCH" }));

        var failed = (await mesh.Images.DrawAsync(FakeCalls.Request())).Failed.ShouldHaveSingleItem();

        failed.Status.Code.ShouldBe((int)StatusCode.Unavailable);
        var next = await mesh.Images.DrawAsync(FakeCalls.Request());
        next.Completed.Count.ShouldBe(1);
        next.Accepted.Model.Version.ShouldNotBe(old);
        mesh.Generator.Requests.Last().Model.Version.ShouldBe("g9");
    }

    [Fact]
    public async Task Work_PieceThatKillsItsReplicas_KillsTwoAtMost()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 3);
        mesh.Generators.ForEach(x => x.Hold());
        var drawing = mesh.Images.DrawAsync(FakeCalls.Request());

        for (var i = 0; i < 2; i++)
        {
            await FakeCalls.UntilAsync(() => mesh.Generators.Any(x => x.Running == 1));
            await mesh.Generators.Single(x => x.Running == 1).KillAsync();
        }

        (await drawing).Failed.ShouldHaveSingleItem().Status.Code.ShouldBe((int)StatusCode.Unavailable);
        mesh.Generators.Sum(x => x.Received).ShouldBe(2);
    }

    [Fact]
    public async Task Endpoint_Dns_IsOneReplicaAnAddress()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var port = new Uri(mesh.Generator.Endpoint).Port;
        var gateway = await mesh.AddGatewayAsync(settings: ("Mesh:Stages:Generator:0", $"dns://localhost:{port}"));

        (await gateway.Images.DrawAsync(FakeCalls.Request())).Completed.Count.ShouldBe(1);

        (await gateway.StatusAsync()).Replicas.Where(x => x.State == Contracts.Gateway.V1.ReplicaState.Serving).Select(x => x.Address)
            .ShouldContain($"dns://localhost:{port} at 127.0.0.1");
    }

    [Fact]
    public async Task Work_QueueFull_IsToldWithItsDetails()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var info = new ErrorInfo { Domain = "mesh", Reason = "QUEUE_FULL", Metadata = { ["waiting"] = "64" } };
        var retry = new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromSeconds(3)) };
        mesh.Generator.RefuseNext(StatusCode.ResourceExhausted, "full", Any.Pack(info), Any.Pack(retry));

        var status = (await mesh.Images.DrawAsync(FakeCalls.Request())).Failed.ShouldHaveSingleItem().Status;

        (status.Code, status.Message).ShouldBe(((int)StatusCode.ResourceExhausted, "full"));
        status.Detail<RetryInfo>().ShouldBe(retry);
        var told = status.Detail<ErrorInfo>()!;
        (told.Reason, told.Metadata["waiting"], told.Metadata["stage"]).ShouldBe(("QUEUE_FULL", "64", "generator"));
        (await mesh.Images.DrawAsync(FakeCalls.Request())).Completed.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("generator")]
    [InlineData("decoder")]
    [InlineData("upsampler")]
    public async Task Cancel_InAStage_ReachesIt(string stage)
    {
        await using var mesh = await FakeMesh.StartAsync();
        var (hold, running, cancelled) = Of(mesh, stage);
        hold();
        var request = FakeCalls.Request();
        request.Upscale = new UpscaleOptions();
        using var cancel = new CancellationTokenSource();
        var drawing = mesh.Images.DrawAsync(request, cancel.Token);
        await FakeCalls.UntilAsync(() => running() == 1);

        await cancel.CancelAsync();

        (await Should.ThrowAsync<RpcException>(() => drawing)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await FakeCalls.UntilAsync(() => cancelled() == 1 && running() == 0);
        await NothingLeftAsync(mesh);
    }

    [Fact]
    public async Task Deadline_Passes_EndsCallAndWork()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        using var call = mesh.Images.Generate(FakeCalls.Request(), deadline: DateTime.UtcNow.AddSeconds(2));

        (await Should.ThrowAsync<RpcException>(() => call.ReadAsync())).StatusCode.ShouldBe(StatusCode.DeadlineExceeded);

        mesh.Generator.Requests.ShouldHaveSingleItem().TimeoutUs.ShouldBeInRange(1, 2_000_000);
        await FakeCalls.UntilAsync(() => mesh.Generator.Cancelled == 1);
        await NothingLeftAsync(mesh);
    }

    [Fact]
    public async Task Work_StageNeverAnswers_EndsInTime()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Stages:WorkTimeout", "00:00:00.3"));
        mesh.Decoder.Hold();

        var status = (await mesh.Images.DrawAsync(FakeCalls.Request())).Failed.ShouldHaveSingleItem().Status;

        status.Code.ShouldBe((int)StatusCode.DeadlineExceeded);
        status.Detail<ErrorInfo>()!.Metadata["stage"].ShouldBe("decoder");
        await FakeCalls.UntilAsync(() => mesh.Decoder.Cancelled == 1);
    }

    [Fact]
    public async Task Work_Traced_CarriesItsTrace()
    {
        using var listener = new ActivityListener { ShouldListenTo = x => x.Name == "Microsoft.AspNetCore", Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData };
        ActivitySource.AddActivityListener(listener);
        await using var mesh = await FakeMesh.StartAsync();
        var trace = "0af7651916cd43dd8448eb211c80319c";
        using var call = mesh.Images.Generate(FakeCalls.Request(), new Metadata { { "traceparent", $"00-{trace}-b7ad6b7169203331-01" } });

        await call.ReadAsync();

        mesh.Text.Requests.ShouldHaveSingleItem().Traceparent.ShouldContain(trace);
        mesh.Generator.Requests.ShouldHaveSingleItem().Traceparent.ShouldContain(trace);
        mesh.Decoder.Requests.ShouldHaveSingleItem().Traceparent.ShouldContain(trace);
    }

    private static (Action Hold, Func<int> Running, Func<long> Cancelled) Of(FakeMesh mesh, string stage) => stage switch
    {
        "text" => (mesh.Text.Hold, () => mesh.Text.Running, () => mesh.Text.Cancelled),
        "generator" => (mesh.Generator.Hold, () => mesh.Generator.Running, () => mesh.Generator.Cancelled),
        "decoder" => (mesh.Decoder.Hold, () => mesh.Decoder.Running, () => mesh.Decoder.Cancelled),
        _ => (mesh.Upsampler.Hold, () => mesh.Upsampler.Running, () => mesh.Upsampler.Cancelled),
    };

    /// <summary>Neither call nor piece of work is counted any more.</summary>
    private static async Task NothingLeftAsync(FakeMesh mesh) => await FakeCalls.UntilAsync(async () =>
    {
        var status = await mesh.Gateway.StatusAsync();
        return status.Calls == 0 && status.Replicas.All(x => x.InFlight == 0);
    });
}
