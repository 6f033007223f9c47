using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.FunctionalTests.Requests;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Limits;

/// <summary>Who leaves stops the work, in whichever stage it is; so does a deadline.</summary>
[Collection(FlowMeshTests.Name)]
public sealed class CancellationTests(FlowMesh mesh)
{
    [Fact]
    public async Task Cancel_InTheGenerator_StopsTheStepsAndCountsThem()
    {
        await ShouldStopAsync("generator", FlowMesh.Slow(), wasted: true);
    }

    [Fact]
    public async Task Cancel_InTheDecoder_CountsTheTimeAsWasted()
    {
        var request = FlowMesh.Slow();
        (request.Steps, request.WidthPx, request.HeightPx) = (1, 512, 512);
        await ShouldStopAsync("decoder", request, wasted: true);
    }

    [Fact]
    public async Task Cancel_InTheUpsampler_StopsAfterTheTileUnderWay()
    {
        var request = FlowMesh.Plain();
        (request.WidthPx, request.HeightPx, request.Upscale) = (128, 128, new());
        var before = await mesh.Front.CountersAsync("upsampler");

        await ShouldStopAsync("upsampler", request, wasted: false);

        // 8 x 8 tiles, and 9 x 9 half a tile apart.
        (await mesh.Front.CountersAsync("upsampler")).Completed.ShouldBeLessThan(before.Completed + 145);
    }

    [Fact]
    public async Task Cancel_WhileTheTextWaits_TakesItOutOfTheQueue()
    {
        // This text stage waits for two prompts.
        await using var waiting = await RunningMesh.StartAsync(new MeshLayout
        {
            Settings = [($"Mesh:Models:{FlowMesh.Other}:Folder", TinyModels.Pipeline("instaflow_1step"))],
            Replicas = new Dictionary<string, int> { ["upsampler"] = 0 },
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>> { ["text"] = [("Mesh:Batching:MaxBatch", "2"), ("Mesh:Batching:MaxDelay", "00:01:00")] },
        });
        using var leave = new CancellationTokenSource();
        var call = waiting.Front.Images.DrawAsync(FlowMesh.Plain("left"), cancel: leave.Token);
        await waiting.Front.WhenStageAsync("text", x => x.Waiting == 1);

        await leave.CancelAsync();

        (await call.FaultAsync()).StatusCode.ShouldBe(StatusCode.Cancelled);
        var counters = await waiting.Front.WhenStageAsync("text", x => x.Waiting == 0);
        (counters.Cancelled, counters.Completed, counters.WastedUs).ShouldBe((1, 0, 0));
        await waiting.Front.WhenAsync(x => x.Calls == 0 && x.Replicas.All(y => y.InFlight == 0));

        // Those who come later get what they ask for.
        var later = await Task.WhenAll(waiting.Front.Images.DrawAsync(FlowMesh.Plain("first")), waiting.Front.Images.DrawAsync(FlowMesh.Plain("second"))).DefaultTimeout();
        foreach (var drawn in later) drawn.File().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Deadline_Passed_EndsTheCallAndTheWork()
    {
        var before = await mesh.Front.CountersAsync("generator");
        // The prompt is known already, so that the deadline falls into the generator's time.
        await mesh.Images.DrawAsync(FlowMesh.Plain());

        var fault = await mesh.Images.DrawAsync(FlowMesh.Slow(), deadline: TimeSpan.FromSeconds(0.7)).FaultAsync();

        fault.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        var after = await mesh.Front.WhenStageAsync("generator", x => x.Running == 0 && x.Waiting == 0 && x.Cancelled + x.Expired > before.Cancelled + before.Expired);
        after.Completed.ShouldBe(before.Completed + 1);
        await IdleAsync();
        (await mesh.Images.DrawAsync(FlowMesh.Plain())).File().ShouldNotBeEmpty();
    }

    private async Task ShouldStopAsync(string stage, GenerateRequest request, bool wasted)
    {
        var before = await mesh.Front.CountersAsync(stage);
        using var leave = new CancellationTokenSource();
        var call = mesh.Images.DrawAsync(request, cancel: leave.Token);
        await mesh.Front.WhenStageAsync(stage, x => x.Running == 1);

        await leave.CancelAsync();

        (await call.FaultAsync()).StatusCode.ShouldBe(StatusCode.Cancelled);
        var after = await mesh.Front.WhenStageAsync(stage, x => x.Running == 0 && x.Waiting == 0 && x.Cancelled > before.Cancelled);
        if (wasted)
        {
            after.WastedUs.ShouldBeGreaterThan(before.WastedUs);
            after.Completed.ShouldBe(before.Completed);
        }
        await IdleAsync();
        (await mesh.Images.DrawAsync(FlowMesh.Plain())).File().ShouldNotBeEmpty();
    }

    private async Task IdleAsync() => await mesh.Front.WhenAsync(x => x.Calls == 0 && x.Replicas.All(y => y.InFlight == 0));
}
