using System.Security.Cryptography;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;
using Answers = Mesh.Client.Tests.FakeGateway.Answers;

namespace Mesh.Client.Tests;

public sealed class GenerateTests
{
    [Fact]
    public async Task Generate_TwoImages_TellsEachEventOnceAndInOrder()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();

        var events = await Collect(client.GenerateAsync(new GenerationRequest("a cat") { Count = 2, Seeds = [5], Preview = true }));

        events.Select(x => x.GetType()).ShouldBe(
            [typeof(CallAccepted), typeof(PromptEncoded), typeof(PreviewReady), typeof(ImageReady), typeof(PreviewReady), typeof(ImageReady)]);
        events.Select(x => x.Sequence).ShouldBe(Enumerable.Range(1, 6).Select(x => (long)x));
        events.Select(x => x.Elapsed).ShouldBeInOrder();
        var accepted = (CallAccepted)events[0];
        (accepted.Width, accepted.Height, accepted.Replayed).ShouldBe((64, 32, false));
        accepted.Seeds.ShouldBe([5UL, 6UL]);
        accepted.Model.ShouldBe(new ModelVersion(FakeGateway.ModelId, "c0ffee"));
        ((PromptEncoded)events[1]).Timings.ShouldBe(new StageTimings(TimeSpan.FromMicroseconds(1), TimeSpan.FromMilliseconds(2), TimeSpan.FromMicroseconds(2001), 3));
        ((PreviewReady)events[4]).Bytes.ToArray().ShouldBe(FakeGateway.FileOf(6)[..10]);
    }

    [Fact]
    public async Task GenerateImages_Several_ReturnsWholeFilesWithWhatMadeThem()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();

        var images = await client.GenerateImagesAsync(new GenerationRequest("a cat") { Count = 3, Seeds = [9, 4, 7] }).DefaultTimeout();

        images.Select(x => x.Seed).ShouldBe([9UL, 4UL, 7UL]);
        images.Select(x => x.Index).ShouldBe([0, 1, 2]);
        foreach (var image in images)
        {
            image.Bytes.ToArray().ShouldBe(FakeGateway.FileOf(image.Seed));
            image.Sha256.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(FakeGateway.FileOf(image.Seed))));
            image.MimeType.ShouldBe("image/png");
            (image.DeviceKind, image.Build, image.Numerics).ShouldBe(("cpu avx512", "test", "float32"));
            image.Generate!.Compute.ShouldBe(TimeSpan.FromMilliseconds(20));
            image.Decode!.BatchSize.ShouldBe(2);
            image.Upscale.ShouldBeNull();
        }
    }

    [Fact]
    public async Task Generate_EverySetting_ArrivesAsTheContractSays()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();
        var request = new GenerationRequest("a cat")
        {
            RequestId = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", NegativePrompt = "", Width = 128, Height = 96, Model = "sd", Steps = 4, Guidance = 1.5f, Format = ImageFormat.Webp, Quality = 80,
            Loras = [new LoraWeight("ink", -0.5f), new LoraWeight("wax")],
            Control = new ControlPicture(new byte[] { 1, 2, 3 }) { Model = "canny", Scale = 0, Start = 0.25f, End = 0.5f },
            Upscale = new Upscaling { Overlapped = false, Seed = 3 },
        };

        await client.GenerateImagesAsync(request).DefaultTimeout();

        var sent = gateway.Told.Generated.ShouldHaveSingleItem();
        (sent.RequestId, sent.Prompt, sent.NegativePrompt, sent.HasNegativePrompt).ShouldBe((request.RequestId, "a cat", "", true));
        (sent.WidthPx, sent.HeightPx, sent.Model, sent.Steps, sent.Guidance).ShouldBe((128, 96, "sd", 4, 1.5f));
        (sent.Format, sent.Quality, sent.Preview).ShouldBe((ImageFormat.Webp, 80, false));
        sent.Loras.Select(x => (x.Name, x.Weight)).ShouldBe([("ink", -0.5f), ("wax", 1f)]);
        sent.Control.Image.ToByteArray().ShouldBe([1, 2, 3]);
        (sent.Control.Model, sent.Control.Scale, sent.Control.Start, sent.Control.End).ShouldBe(("canny", 0f, 0.25f, 0.5f));
        (sent.Upscale.Blending, sent.Upscale.Seed).ShouldBe((TileBlending.None, 3UL));
    }

    [Fact]
    public async Task Generate_NothingButAPrompt_LeavesTheRestToTheModelAndSettlesTheSeed()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();

        await client.GenerateImagesAsync(new GenerationRequest("a cat")).DefaultTimeout();

        var sent = gateway.Told.Generated.ShouldHaveSingleItem();
        Guid.TryParse(sent.RequestId, out _).ShouldBeTrue();
        (sent.HasNegativePrompt, sent.HasSteps, sent.HasGuidance, sent.HasQuality, sent.WidthPx, sent.Model).ShouldBe((false, false, false, false, 0, ""));
        sent.Seeds.ShouldHaveSingleItem().ShouldBeLessThanOrEqualTo(uint.MaxValue);
        (sent.Control, sent.Upscale).ShouldBe((null, null));
    }

    [Fact]
    public async Task Generate_OneImageFails_TellsWhichAndGivesTheOther()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnGenerate = async (request, stream, _) =>
        {
            var answers = new Answers(request, stream);
            await answers.BeginAsync();
            await answers.SendAsync(new GenerateResponse { Failed = new Failed { Index = 0, Status = FakeGateway.StatusOf(StatusCode.Internal, "OUT_OF_MEMORY", "no room") } });
            await answers.ImageAsync(1);
        };
        using var client = gateway.CreateClient();
        var request = new GenerationRequest("a cat") { Count = 2, Seeds = [1] };

        var events = await Collect(client.GenerateAsync(request));
        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(request).DefaultTimeout());

        var failed = events.OfType<ImageFailed>().ShouldHaveSingleItem();
        (failed.Index, failed.Error.Reason, failed.Error.Message).ShouldBe((0, "OUT_OF_MEMORY", "no room"));
        events.OfType<ImageReady>().ShouldHaveSingleItem().Image.Seed.ShouldBe(2UL);
        fault.Reason.ShouldBe("OUT_OF_MEMORY");
    }

    [Fact]
    public async Task Generate_WholeCallFailsInTheStream_Throws()
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnGenerate = async (request, stream, _) =>
        {
            var answers = new Answers(request, stream);
            await answers.BeginAsync();
            await answers.SendAsync(new GenerateResponse { Failed = new Failed { Index = -1, Status = FakeGateway.StatusOf(StatusCode.FailedPrecondition, "NOT_INSTALLED", "no upsampler") } });
        };
        using var client = gateway.CreateClient();

        var fault = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(new GenerationRequest("a cat")).DefaultTimeout());

        (fault.Code, fault.Reason).ShouldBe((StatusCode.FailedPrecondition, "NOT_INSTALLED"));
    }

    [Theory]
    [InlineData("hash")]
    [InlineData("gap")]
    [InlineData("overlap")]
    [InlineData("truncated")]
    [InlineData("no piece")]
    [InlineData("number")]
    [InlineData("index")]
    [InlineData("early end")]
    [InlineData("tile")]
    public async Task Generate_WhatDoesNotFit_IsCorrupt(string fault)
    {
        await using var gateway = await FakeGateway.StartAsync();
        gateway.Told.OnGenerate = (request, stream, _) => SpoilAsync(fault, new Answers(request, stream), stream);
        using var client = gateway.CreateClient();

        var thrown = await Should.ThrowAsync<MeshException>(() => client.GenerateImagesAsync(new GenerationRequest("a cat") { Seeds = [1] }).DefaultTimeout());

        (thrown.Code, thrown.Reason).ShouldBe((StatusCode.DataLoss, MeshException.Corrupt));
        gateway.Told.Generated.Count.ShouldBe(1, "nothing says that it would be right the next time");
    }

    private static async Task SpoilAsync(string fault, Answers answers, IServerStreamWriter<GenerateResponse> stream)
    {
        var file = FakeGateway.FileOf(1);
        var hash = SHA256.HashData(file);
        if (fault == "hash") hash[31] ^= 1;
        await answers.BeginAsync();
        if (fault == "early end") return;
        if (fault == "number") await stream.WriteAsync(new GenerateResponse { Sequence = 9, Image = new Chunk() });
        if (fault == "tile") await answers.SendAsync(new GenerateResponse { Tile = new Tile { WidthPx = 4, HeightPx = 4 } });
        if (fault == "index") await answers.SendAsync(new GenerateResponse { Image = new Chunk { Index = 1 } });
        if (fault != "no piece") await answers.PieceAsync(0, file, 0, 0);
        if (fault is "hash" or "gap" or "overlap") await answers.PieceAsync(0, file, 65536, 65536 + (fault == "gap" ? 1 : fault == "overlap" ? -1 : 0));
        await answers.CompleteAsync(0, hash);
    }

    private static async Task<List<ImageEvent>> Collect(IAsyncEnumerable<ImageEvent> events)
    {
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        var all = new List<ImageEvent>();
        await foreach (var happened in events.WithCancellation(limit.Token)) all.Add(happened);
        return all;
    }
}
