using Grpc.Core;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Operations;
using Mesh.Gateway.Tests.Fakes;

namespace Mesh.Gateway.Tests.Operations;

public sealed class StatusTests
{
    [Fact]
    public async Task GetStatus_WorkOnItsWay_IsCounted()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        mesh.Generators.ForEach(x => x.Hold());
        var request = FakeCalls.Request();
        request.Count = 3;
        var drawing = mesh.Images.DrawAsync(request);
        await FakeCalls.UntilAsync(() => mesh.Generators.Sum(x => x.Running) == 3);

        var status = await mesh.Gateway.Operations.GetStatusAsync(new());

        status.Calls.ShouldBe(1);
        status.Replicas.Select(x => x.Stage).ShouldBe(["text", "generator", "generator", "decoder", "upsampler"]);
        status.Replicas.Where(x => x.Stage == "generator").Sum(x => x.InFlight).ShouldBe(3);
        status.Replicas.ShouldAllBe(x => x.State == ReplicaState.Serving && x.Info.DeviceKind == "cpu fake");
        status.Ratios.Select(x => (x.Stage, x.Replicas)).ShouldBe([("text", 1), ("generator", 1), ("decoder", 1), ("upsampler", 1)]);
        mesh.Generators.ForEach(x => x.Release());
        await drawing;
    }

    [Fact]
    public async Task GetStatus_StageHasWorkedSinceItWasAsked_TellsItsCountsOfNow()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Stages:Poll", "00:01:00"));
        mesh.Generators[0].Info.Statistics = new() { Completed = 41 };

        var status = await mesh.Gateway.Operations.GetStatusAsync(new());

        status.Replicas.Single(x => x.Stage == "generator").Info.Statistics.Completed.ShouldBe(41);
    }

    [Fact]
    public async Task GetStatus_DeadReplica_IsUnreachable()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);
        var dead = mesh.Generators[1].Endpoint;
        await mesh.Generators[1].KillAsync();

        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Replicas.Single(x => x.Address == dead).State == ReplicaState.Unreachable);

        await mesh.Generators[1].StartAsync();
        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Replicas.Single(x => x.Address == dead).State == ReplicaState.Serving);
    }

    [Fact]
    public void Ratios_Capacities_RelateToTheFastest()
    {
        // 40, 10 and 4 pieces a second: for each text encoder 4 generators and 10 decoders.
        var ratios = ReplicaRatios.Of([("text", 40), ("generator", 10), ("decoder", 4), ("upsampler", 0)]);

        ratios.Select(x => (x.Stage, x.Replicas)).ShouldBe([("text", 1), ("generator", 4), ("decoder", 10)]);
    }

    [Fact]
    public async Task LoadModel_ReachesEveryReplicaThatHasIt()
    {
        await using var mesh = await FakeMesh.StartAsync(generators: 2);

        var loaded = await mesh.Gateway.Operations.LoadModelAsync(new LoadModelRequest { Model = new() { Id = "second" } });
        var unloaded = await mesh.Gateway.Operations.UnloadModelAsync(new UnloadModelRequest { Model = new() { Id = "second" } });

        loaded.Outcomes.Select(x => (x.Stage, x.Status.Code)).ShouldBe([("text", 0), ("generator", 0), ("generator", 0), ("decoder", 0)]);
        unloaded.Outcomes.Count.ShouldBe(4);
        (mesh.Text.Loads, mesh.Generators[0].Loads, mesh.Generators[1].Loads, mesh.Decoder.Unloads).ShouldBe((1, 1, 1, 1));
    }

    [Theory]
    [InlineData("", StatusCode.InvalidArgument)]
    [InlineData("nothing", StatusCode.NotFound)]
    public async Task LoadModel_BadId_IsRefused(string id, StatusCode code)
    {
        await using var mesh = await FakeMesh.StartAsync();

        var fault = await Should.ThrowAsync<RpcException>(() => mesh.Gateway.Operations.LoadModelAsync(new LoadModelRequest { Model = new() { Id = id } }).ResponseAsync);

        fault.StatusCode.ShouldBe(code);
    }

    [Fact]
    public async Task ListModels_Pages_CoverAllOnce()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var first = await mesh.Images.ListModelsAsync(new ListModelsRequest { PageSize = 1 });
        var second = await mesh.Images.ListModelsAsync(new ListModelsRequest { PageSize = 1, PageToken = first.NextPageToken });

        first.Models.ShouldHaveSingleItem().Model.Id.ShouldBe("second");
        var tiny = second.Models.ShouldHaveSingleItem();
        second.NextPageToken.ShouldBeEmpty();
        (tiny.Model.Id, tiny.Recipe, tiny.DefaultSteps, tiny.WidthPx, tiny.SizeMultiplePx, tiny.Preview, tiny.Loaded).ShouldBe(("tiny", "instaflow", 1, 64, 8, true, true));
        (tiny.Loras, tiny.Controls).ShouldBe((["style", "shape"], ["edges"]));
        (await mesh.Images.ListModelsAsync(new())).Models.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Model_AStageCannotUse_IsNotListedAndSaysWhere()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var spoilt = mesh.Decoder.Info.Models.Single(x => x.Model.Id == "second");
        (spoilt.Decoder, spoilt.Model.Version) = (null, "");
        await FakeCalls.UntilAsync(async () => (await mesh.Images.ListModelsAsync(new())).Models.Count == 1);
        var request = FakeCalls.Request();
        request.Model = "second";

        var fault = await mesh.Images.FailAsync(request);

        fault.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        fault.Status.Detail.ShouldContain(": decoder.");
    }

    [Theory]
    [InlineData(-1, "", "page_size")]
    [InlineData(0, "!", "page_token")]
    public async Task ListModels_BadPage_IsRefused(int size, string token, string field)
    {
        await using var mesh = await FakeMesh.StartAsync();

        var fault = await Should.ThrowAsync<RpcException>(() => mesh.Images.ListModelsAsync(new ListModelsRequest { PageSize = size, PageToken = token }).ResponseAsync);

        (fault.StatusCode, fault.Status.Detail.Split(':')[0]).ShouldBe((StatusCode.InvalidArgument, field));
    }

    [Fact]
    public async Task GetCapabilities_TellsLimitsAndParts()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var can = await mesh.Images.GetCapabilitiesAsync(new());

        (can.MaxCount, can.MaxPromptBytes, can.MaxSidePx, can.DefaultModel).ShouldBe((64, 8192, 2048, "tiny"));
        (can.Preview, can.Upscale, can.Control, can.SharedCache).ShouldBe((true, true, true, false));
        can.Formats.ShouldBe([ImageFormat.Png, ImageFormat.Jpeg, ImageFormat.Webp]);
    }

    [Fact]
    public async Task Readiness_FollowsTheStages()
    {
        await using var mesh = await FakeMesh.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(mesh.Gateway.Http) };
        (await http.GetAsync("readyz")).IsSuccessStatusCode.ShouldBeTrue();

        await mesh.Decoder.KillAsync();
        await FakeCalls.UntilAsync(async () => !(await http.GetAsync("readyz")).IsSuccessStatusCode);
        (await http.GetStringAsync("healthz")).ShouldContain("live");
        await mesh.Decoder.StartAsync();

        await FakeCalls.UntilAsync(async () => (await http.GetAsync("readyz")).IsSuccessStatusCode);
    }
}
