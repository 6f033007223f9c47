using Grpc.Core;
using Google.Rpc;
using Mesh.Contracts.Upsampler.V1;
using Mesh.Hosting.Faults;
using Mesh.Testing;
using Mesh.Upsampler;

namespace Mesh.Stages.Tests;

/// <summary>How pictures share the upsampler: tiles leave as they are finished, pictures take turns, giving up costs one tile.</summary>
public sealed class UpsamplerQueueTests
{
    private const int Side = 16;
    private const ulong Gated = 9;

    [Theory]
    [InlineData(false, 3)]
    [InlineData(true, 11)] // the third of the second pass's lower row, the last that the second part needs
    public async Task Upscale_InTheMiddle_HasSentWhatIsFinished(bool overlapped, int gate)
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, gate);
        await using var stage = await StartAsync(folder, noise);
        using var call = Call(stage);

        await call.SendAsync(UpsamplerPicture.Request(1, Side, 4 * Side, Gated, overlapped));
        await noise.Reached.DefaultTimeout();
        var early = await call.NextAsync(); // the device stands still now

        early.Tile.ShouldNotBeNull();
        (early.Tile.XPx, early.Tile.YPx).ShouldBe((0, 0));
        early.Tile.Pixels.Shape.ShouldBe([4 * Side, 4 * Side, 3]);
        noise.Open();
        var rest = await UpsamplerPicture.ReadAsync(call);
        rest.Tiles.Count.ShouldBe(3);
        rest.Last.Done.WidthPx.ShouldBe(16 * Side);
    }

    [Fact]
    public async Task Upscale_CancelledInATile_RunsNoOther()
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, tile: 2);
        await using var stage = await StartAsync(folder, noise);
        using var call = Call(stage);

        await call.SendAsync(UpsamplerPicture.Request(1, 3 * Side, 3 * Side, Gated));
        await noise.Reached.DefaultTimeout();
        await call.SendAsync(new UpscaleRequest { Id = 1, Cancel = true });
        var picture = await UpsamplerPicture.ReadAsync(call);
        noise.Open();

        picture.Tiles.Count.ShouldBe(2);
        picture.Last.Failure.ShouldBe(StatusCode.Cancelled, FaultReasons.Cancelled);
        var statistics = await stage.WhenAsync(x => x.Running == 0 && x.Waiting == 0);
        statistics.Cancelled.ShouldBe(1);
        statistics.Completed.ShouldBe(2);
        statistics.WastedUs.ShouldBeGreaterThan(0);
        statistics.BusyUs.ShouldBeGreaterThanOrEqualTo(statistics.WastedUs);
        noise.Begun.Select(x => x.Tile).ShouldBe([0, 1, 2]);

        await call.SendAsync(UpsamplerPicture.Request(2, Side, Side));
        (await UpsamplerPicture.ReadAsync(call)).Last.Done.ShouldNotBeNull();
    }

    [Fact]
    public async Task Upscale_CallEndsInATile_RunsNoOther()
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, tile: 1);
        await using var stage = await StartAsync(folder, noise);
        using (var call = Call(stage))
        {
            await call.SendAsync(UpsamplerPicture.Request(1, 3 * Side, 3 * Side, Gated));
            await noise.Reached.DefaultTimeout();
        }
        await stage.WhenAsync(x => x.Cancelled == 1);
        noise.Open();

        await stage.WhenAsync(x => x.Running == 0 && x.Waiting == 0);
        noise.Begun.Select(x => x.Tile).ShouldBe([0, 1]);
    }

    [Fact]
    public async Task Upscale_SmallPictureAfterALargeOne_NeedNotWaitForAllOfIt()
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, tile: 0);
        await using var stage = await StartAsync(folder, noise);
        using var large = Call(stage);
        using var small = Call(stage);

        await large.SendAsync(UpsamplerPicture.Request(1, 8 * Side, 8 * Side, Gated));
        await noise.Reached.DefaultTimeout();
        await small.SendAsync(UpsamplerPicture.Request(1, Side, 2 * Side, seed: 3));
        await stage.WhenAsync(x => x.Waiting == 1);
        noise.Open();
        (await UpsamplerPicture.ReadAsync(small)).Last.Done.ShouldNotBeNull();
        (await UpsamplerPicture.ReadAsync(large)).Last.Done.ShouldNotBeNull();

        // In turns: the large one had begun its second tile, at most, before the small one's first, and so on.
        var begun = noise.Begun.Select(x => x.Seed).ToList();
        begun.Count.ShouldBe(64 + 2);
        begun.LastIndexOf(3UL).ShouldBeLessThanOrEqualTo(5);
    }

    [Fact]
    public async Task Upscale_DeadlinePasses_AnswersWithinIt()
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, tile: 0);
        await using var stage = await StartAsync(folder, noise);
        using var call = Call(stage);
        var request = UpsamplerPicture.Request(1, 3 * Side, 3 * Side, Gated);
        request.TimeoutUs = 100_000;

        var answer = await call.AskAsync(request);
        noise.Open();

        answer.Failure.ShouldBe(StatusCode.DeadlineExceeded, FaultReasons.DeadlineExceeded);
        await stage.WhenAsync(x => x.Running == 0 && x.Waiting == 0);
        noise.Begun.Count.ShouldBeLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task Upscale_MorePicturesThanPlaces_RefusesWithRetryAndKeepsTheOthers()
    {
        using var folder = new TempFolder();
        using var noise = new GatedNoise(Gated, tile: 0);
        await using var stage = await StartAsync(folder, noise, ("Mesh:Batching:MaxQueue", "2"));
        using var first = Call(stage);
        using var second = Call(stage);
        using var third = Call(stage);

        await first.SendAsync(UpsamplerPicture.Request(1, 2 * Side, 2 * Side, Gated));
        await noise.Reached.DefaultTimeout();
        await second.SendAsync(UpsamplerPicture.Request(1, 2 * Side, 2 * Side));
        await stage.WhenAsync(x => x.Waiting == 1);
        var refused = await third.AskAsync(UpsamplerPicture.Request(1, Side, Side));
        noise.Open();

        refused.Failure.ShouldBe(StatusCode.ResourceExhausted, FaultReasons.QueueFull);
        refused.Failure.Detail<RetryInfo>().ShouldNotBeNull().RetryDelay.ToTimeSpan().ShouldBeGreaterThan(TimeSpan.Zero);
        (await UpsamplerPicture.ReadAsync(first)).Last.Done.ShouldNotBeNull();
        (await UpsamplerPicture.ReadAsync(second)).Last.Done.ShouldNotBeNull();
        await third.SendAsync(UpsamplerPicture.Request(2, Side, Side));
        (await UpsamplerPicture.ReadAsync(third)).Last.Done.ShouldNotBeNull();
    }

    private static Task<StageProcess> StartAsync(TempFolder folder, GatedNoise noise, params (string Key, string? Value)[] settings)
    {
        UpsamplerFolder.WriteTiny(folder.Path).Dispose();
        return StageProcess.StartAsync((args, all) => UpsamplerApp.Create(args, all, noise.Of), [("Mesh:Upsamplers:tiny:Folder", folder.Path), .. settings]);
    }

    private static WorkCall<UpscaleRequest, UpscaleResponse> Call(StageProcess stage) => new(new UpsamplerService.UpsamplerServiceClient(stage.Channel).Upscale());
}
