using Grpc.Core;
using Grpc.Health.V1;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Upsampler.V1;
using Mesh.Hosting.Stages;
using Mesh.Models.Networks;
using Mesh.Testing;
using Mesh.Upsampler;
using static TorchSharp.torch;

namespace Mesh.Stages.Tests;

/// <summary>The upsampler's service over a real socket: what it makes, and what it refuses.</summary>
public sealed class UpsamplerStageTests
{
    [Fact]
    public async Task Upscale_NothingInstalled_SaysWhatToInstallAndIsReady()
    {
        await using var stage = await StageProcess.StartAsync(UpsamplerApp.Create);
        using var call = Call(stage);

        var answer = await call.AskAsync(UpsamplerPicture.Request(1, 16, 16));

        answer.Failure.ShouldBe(StatusCode.FailedPrecondition, StageFaults.NotInstalled);
        answer.Failure.Message.ShouldContain("mesh models pull fal/AuraSR-v2");
        answer.Failure.Message.ShouldContain("Mesh:Upsamplers:aurasr:Folder");
        var info = await stage.GetAsync();
        info.Stage.ShouldBe("upsampler");
        info.Models.ShouldBeEmpty();
        info.DefaultModel.ShouldBe("");
        await ReadyAsync(stage);
    }

    [Fact]
    public async Task Upscale_ConfiguredFolderMissing_SaysWhichOne()
    {
        using var folder = new TempFolder();
        await using var stage = await StageProcess.StartAsync(UpsamplerApp.Create, ("Mesh:Upsamplers:aurasr:Folder", folder.File("none")));
        using var call = Call(stage);

        var answer = await call.AskAsync(UpsamplerPicture.Request(1, 16, 16));

        answer.Failure.ShouldBe(StatusCode.FailedPrecondition, StageFaults.NotInstalled);
        answer.Failure.Message.ShouldContain(folder.File("none"));
        (await stage.GetAsync()).Models.ShouldHaveSingleItem().Model.Version.ShouldBe("");
    }

    [Fact]
    public async Task GetStage_Installed_TellsTheTile()
    {
        using var folder = new TempFolder();
        await using var stage = await StartTinyAsync(folder);
        await ReadyAsync(stage);

        var info = await stage.GetAsync();

        info.DefaultModel.ShouldBe("tiny");
        var model = info.Models.ShouldHaveSingleItem();
        model.Model.Version.Length.ShouldBe(64);
        model.Loaded.ShouldBeTrue();
        model.MemoryBytes.ShouldBeGreaterThan(0);
        model.Upsampler.Scale.ShouldBe(4);
        model.Upsampler.TilePx.ShouldBe(16);
        info.Costs.ShouldHaveSingleItem().BatchSize.ShouldBe(1);
        info.CapacityPerS.ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData(false, "out.plain")]
    [InlineData(true, "out.checkboard")]
    public async Task Upscale_GoldenPicture_EqualsTheReference(bool overlapped, string output)
    {
        using var folder = new TempFolder();
        UpsamplerFolder.WriteGolden(folder.Path);
        var golden = GoldenTensors.Read("aurasr", "image");
        var noise = new GivenNoise(golden.Floats("in.z1"), golden.Floats("in.z2"));
        await using var stage = await StageProcess.StartAsync(
            (args, settings) => UpsamplerApp.Create(args, settings, _ => noise), ("Mesh:Upsamplers:golden:Folder", folder.Path));
        using var call = Call(stage);

        await call.SendAsync(new UpscaleRequest { Id = 5, Pixels = WireTensors.OfBytes(golden.Bytes("in.image"), golden.ShapeOf("in.image")), Overlapped = overlapped });
        var picture = await UpsamplerPicture.ReadAsync(call);

        // Bytes are cut off and not rounded, so a difference in the last bit of a float may be one of a byte: as often as in float64, or a byte in a thousand.
        var (actual, expected) = (picture.Whole(), golden.Bytes(output));
        actual.Length.ShouldBe(expected.Length);
        var differences = actual.Zip(expected, (a, e) => Math.Abs(a - e)).ToArray();
        differences.Max().ShouldBeLessThanOrEqualTo(1);
        differences.Count(x => x > 0).ShouldBeLessThanOrEqualTo(expected.Length / 1000);
        picture.Last.Id.ShouldBe(5);
        picture.Last.Done.ModelVersion.ShouldBe((await stage.GetAsync()).Models[0].Model.Version);
        picture.Last.Timings.ComputeUs.ShouldBeGreaterThan(0);
        picture.Last.Timings.TotalUs.ShouldBeGreaterThanOrEqualTo(picture.Last.Timings.ComputeUs);
    }

    [Fact]
    public async Task Upscale_AnyCompany_GivesTheSameBytes()
    {
        using var folder = new TempFolder();
        using var network = UpsamplerFolder.WriteTiny(folder.Path);
        await using var stage = await StartAsync(folder);
        var requests = Enumerable.Range(0, 6).Select(i => UpsamplerPicture.Request(i, 20 + (5 * i), 40, (ulong)i, i % 2 == 0)).ToList();

        var calls = requests.Select(_ => Call(stage)).ToList();
        await Task.WhenAll(requests.Zip(calls, (r, c) => c.SendAsync(r)));
        var pictures = await Task.WhenAll(calls.Select(UpsamplerPicture.ReadAsync)).DefaultTimeout();

        for (var i = 0; i < requests.Count; i++)
            pictures[i].Whole().ShouldBe(Expected(network, requests[i]), $"picture {i}");
        pictures[0].Whole().ShouldNotBe(Expected(network, UpsamplerPicture.Request(0, 20, 40, 1, true)));
        calls.ForEach(x => x.Dispose());
    }

    [Theory]
    [InlineData(7, 16, 3, "pixels.shape")]
    [InlineData(16, 7, 3, "pixels.shape")]
    [InlineData(1025, 16, 3, "pixels.shape")]
    [InlineData(16, 16, 4, "pixels.shape")]
    [InlineData(0, 0, 3, "pixels.shape")]
    public async Task Upscale_WrongShape_IsInvalidArgument(int height, int width, int channels, string field)
    {
        using var folder = new TempFolder();
        await using var stage = await StartTinyAsync(folder);
        using var call = Call(stage);

        var answer = await call.AskAsync(new UpscaleRequest { Id = 1, Pixels = WireTensors.OfBytes(new byte[height * width * channels], height, width, channels) });

        answer.Failure.ShouldBeInvalid(field);
    }

    [Fact]
    public async Task Upscale_WrongTensor_IsInvalidArgument()
    {
        using var folder = new TempFolder();
        await using var stage = await StartTinyAsync(folder);
        using var call = Call(stage);
        var request = UpsamplerPicture.Request(1, 16, 16);

        (await call.AskAsync(new UpscaleRequest { Id = 1 })).Failure.ShouldBeInvalid("pixels");
        request.Pixels.Shape[0] = 17;
        (await call.AskAsync(request)).Failure.ShouldBeInvalid("pixels.data");
        (await call.AskAsync(new UpscaleRequest { Id = 1, Pixels = WireTensors.OfFloats(new float[768], 16, 16, 3) })).Failure.ShouldBeInvalid("pixels.data_type");
        (await call.AskAsync(new UpscaleRequest { Id = 1, Model = new ModelRef { Id = "other" }, Pixels = request.Pixels })).Failure.Code.ShouldBe((int)StatusCode.NotFound);
    }

    [Fact]
    public async Task Upscale_WeightsOfAnotherNetwork_IsFailedPrecondition()
    {
        using var folder = new TempFolder();
        UpsamplerFolder.WriteTiny(folder.Path).Dispose();
        File.WriteAllText(folder.File("config.json"), UpsamplerFolder.TinyJson.Replace("\"dim\": 4", "\"dim\": 8", StringComparison.Ordinal));
        await using var stage = await StartAsync(folder);
        using var call = Call(stage);

        var answer = await call.AskAsync(UpsamplerPicture.Request(1, 16, 16));

        answer.Failure.ShouldBe(StatusCode.FailedPrecondition, StageFaults.UnusableReason);
    }

    private static byte[] Expected(AuraSR network, UpscaleRequest request)
    {
        using var scope = NewDisposeScope();
        var pixels = tensor(request.Pixels.Data.ToByteArray(), [.. request.Pixels.Shape]).permute(2, 0, 1);
        var large = new AuraSRUpscaler(network).Upscale(pixels, new SeededUpscaleNoise(request.Seed), request.Overlapped ? OverlapBlend.Checkerboard : null);
        return AuraSRUpscaler.ToBytes(large).data<byte>().ToArray();
    }

    private static Task<StageProcess> StartTinyAsync(TempFolder folder)
    {
        UpsamplerFolder.WriteTiny(folder.Path).Dispose();
        return StartAsync(folder);
    }

    private static Task<StageProcess> StartAsync(TempFolder folder) => StageProcess.StartAsync(UpsamplerApp.Create, ("Mesh:Upsamplers:tiny:Folder", folder.Path));

    private static WorkCall<UpscaleRequest, UpscaleResponse> Call(StageProcess stage) => new(new UpsamplerService.UpsamplerServiceClient(stage.Channel).Upscale());

    private static async Task ReadyAsync(StageProcess stage)
    {
        using var watch = new Health.HealthClient(stage.Channel).Watch(new HealthCheckRequest());
        do
            (await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        while (watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving);
    }
}
