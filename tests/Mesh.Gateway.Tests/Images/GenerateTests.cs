using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Mesh.Imaging;
using ImageFormat = Mesh.Contracts.Image.V1.ImageFormat;

namespace Mesh.Gateway.Tests.Images;

public sealed class GenerateTests
{
    [Fact]
    public async Task Generate_Prompt_TellsWhatHappensInOrder()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var drawn = await mesh.Images.DrawAsync(FakeCalls.Request());

        drawn.Events.Select(x => x.Sequence).ShouldBe(Enumerable.Range(1, drawn.Events.Count).Select(x => (long)x));
        drawn.Events.Zip(drawn.Events.Skip(1)).ShouldAllBe(x => x.First.ElapsedUs <= x.Second.ElapsedUs);
        drawn.Events[0].EventCase.ShouldBe(GenerateResponse.EventOneofCase.Accepted);
        drawn.Events[1].EventCase.ShouldBe(GenerateResponse.EventOneofCase.Encoded);
        drawn.Events[^1].EventCase.ShouldBe(GenerateResponse.EventOneofCase.Completed);
        drawn.Accepted.Seeds.ShouldBe([7UL]);
        (drawn.Accepted.WidthPx, drawn.Accepted.HeightPx, drawn.Accepted.Replayed).ShouldBe((64, 64, false));
        Guid.TryParse(drawn.Accepted.RequestId, out _).ShouldBeTrue();
        var completed = drawn.Completed.ShouldHaveSingleItem();
        completed.Sha256.ToByteArray().ShouldBe(SHA256.HashData(drawn.File()));
        completed.Seed.ShouldBe(7UL);
        (completed.Generate.ComputeUs, completed.Decode.ComputeUs).ShouldBe((7, 3));
        completed.Upscale.ShouldBeNull();
        (completed.Reproducibility.DeviceKind, completed.Reproducibility.Build, completed.Reproducibility.Numerics).ShouldBe(("cpu fake", "fake 1", "float32"));
        // SHA-256 of the versions of text encoder, generator and decoder.
        var version = Convert.ToHexStringLower(SHA256.HashData("t1\ng1\nd1"u8));
        (completed.Model.Id, completed.Model.Version, drawn.Accepted.Model.Version).ShouldBe(("tiny", version, version));
    }

    [Fact]
    public async Task Generate_Png_CarriesWhatMadeIt()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request("a red apple, shiny");
        request.NegativePrompt = "leaves";
        request.Guidance = 2.5f;
        request.Steps = 4;
        request.Loras.Add(new Lora { Name = "shape", Weight = 0.5f });

        var file = (await mesh.Images.DrawAsync(request)).File();

        var version = Convert.ToHexStringLower(SHA256.HashData("t1\ng1\nd1"u8))[..10];
        var text = ImageCodec.ReadText(file).ShouldHaveSingleItem();
        text.Keyword.ShouldBe("parameters");
        text.Text.ShouldBe(
            $"a red apple, shiny\nNegative prompt: leaves\nSteps: 4, Sampler: instaflow, CFG scale: 2.5, Seed: 7, Size: 64x64, Model hash: {version}, Model: tiny, "
            + "Lora hashes: \"shape: 0f1e2d3c4b\", Lora weights: \"shape: 0.5\"");
        var image = ImageCodec.Decode(file);
        (image.Width, image.Height).ShouldBe((64, 64));
    }

    [Fact]
    public async Task Generate_LargeImage_ComesInPiecesOf64KiB()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        (request.WidthPx, request.HeightPx) = (256, 192);

        var drawn = await mesh.Images.DrawAsync(request);

        var chunks = drawn.Events.Where(x => x.Image is not null).Select(x => x.Image).ToList();
        chunks.Count.ShouldBeGreaterThan(1);
        chunks.ShouldAllBe(x => x.Data.Length <= 64 * 1024);
        chunks.Select(x => x.Last).ShouldBe([.. Enumerable.Repeat(false, chunks.Count - 1), true]);
        chunks.Select(x => x.MimeType).ShouldBe(["image/png", .. Enumerable.Repeat("", chunks.Count - 1)]);
        var image = ImageCodec.Decode(drawn.File());
        (image.Width, image.Height).ShouldBe((256, 192));
    }

    [Fact]
    public async Task Generate_SameTwice_SameBytesWithoutTheTextStage()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var first = await mesh.Images.DrawAsync(FakeCalls.Request());
        var second = await mesh.Images.DrawAsync(FakeCalls.Request());

        second.File().ShouldBe(first.File());
        (first.Encoded.Cache, second.Encoded.Cache).ShouldBe((CacheOutcome.Miss, CacheOutcome.Local));
        (first.Encoded.Timings.ComputeUs, second.Encoded.Timings).ShouldBe((5, null));
        mesh.Text.Received.ShouldBe(1);
    }

    public static TheoryData<string, Action<GenerateRequest>> Changes { get; } = new()
    {
        { "prompt", x => x.Prompt = "a green apple" },
        { "seed", x => x.Seeds[0] = 8 },
        { "width", x => x.WidthPx = 72 },
        { "height", x => x.HeightPx = 72 },
        { "model", x => x.Model = "second" },
        { "steps", x => x.Steps = 2 },
        { "guidance", x => x.Guidance = 2 },
        { "lora", x => x.Loras.Add(new Lora { Name = "shape", Weight = 1 }) },
        { "lora of the text", x => x.Loras.Add(new Lora { Name = "style", Weight = 1 }) },
        { "control", x => x.Control = new ControlImage { Image = Picture(64, 64) } },
        { "upscaling", x => x.Upscale = new UpscaleOptions() },
        { "format", x => x.Format = ImageFormat.Webp },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Generate_FieldChanged_OtherPicture(string field, Action<GenerateRequest> change)
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        var plain = (await mesh.Images.DrawAsync(request)).File();
        change(request);

        var changed = (await mesh.Images.DrawAsync(request)).File();

        Same(changed, plain).ShouldBeFalse(field);
    }

    [Fact]
    public async Task Generate_OneSeedForThree_CountsOn()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        request.Count = 3;

        var drawn = await mesh.Images.DrawAsync(request);

        drawn.Completed.Select(x => (x.Index, x.Seed)).ShouldBe([(0, 7UL), (1, 8UL), (2, 9UL)]);
        var alone = FakeCalls.Request();
        alone.Seeds[0] = 9;
        (await mesh.Images.DrawAsync(alone)).File().ShouldBe(drawn.File(2));
        mesh.Text.Received.ShouldBe(1);
    }

    [Fact]
    public async Task Generate_NoSeed_DrawsOneAndSaysWhich()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var first = await mesh.Images.DrawAsync(new GenerateRequest { Prompt = "a red apple" });
        var again = new GenerateRequest { Prompt = "a red apple", Seeds = { first.Accepted.Seeds } };

        (await mesh.Images.DrawAsync(again)).File().ShouldBe(first.File());
        (await mesh.Images.DrawAsync(new GenerateRequest { Prompt = "a red apple" })).Accepted.Seeds.ShouldNotBe(first.Accepted.Seeds);
    }

    [Theory]
    [InlineData(ImageFormat.Jpeg, "image/jpeg", Imaging.ImageFormat.Jpeg)]
    [InlineData(ImageFormat.Webp, "image/webp", Imaging.ImageFormat.WebP)]
    [InlineData(ImageFormat.Png, "image/png", Imaging.ImageFormat.Png)]
    public async Task Generate_Format_IsWritten(ImageFormat format, string mime, Imaging.ImageFormat expected)
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        (request.Format, request.Quality) = (format, 40);

        var drawn = await mesh.Images.DrawAsync(request);

        drawn.Events.First(x => x.Image is not null).Image.MimeType.ShouldBe(mime);
        ImageCodec.Detect(drawn.File()).ShouldBe(expected);
    }

    [Fact]
    public async Task Generate_Preview_ComesBeforeTheImage()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        request.Preview = true;

        var drawn = await mesh.Images.DrawAsync(request);

        ImageCodec.Decode(drawn.Preview()).Width.ShouldBe(64);
        drawn.Events.FindLastIndex(x => x.Preview is not null).ShouldBeLessThan(drawn.Events.FindIndex(x => x.Image is not null));
        request.Preview = false;
        (await mesh.Images.DrawAsync(request)).File().ShouldBe(drawn.File());
    }

    [Fact]
    public async Task Generate_PreviewWithoutItsDecoder_SaysWhatToInstall()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        (request.Model, request.Preview) = ("second", true);

        var fault = await mesh.Images.FailAsync(request);

        fault.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        fault.Status.Detail.ShouldContain("Mesh:Models:second:Preview");
        fault.ToStatus().Detail<Google.Rpc.PreconditionFailure>()!.Violations.ShouldHaveSingleItem().Type.ShouldBe("PREVIEW_NOT_INSTALLED");
    }

    [Fact]
    public async Task Generate_Guidance_EncodesTheNegativePromptOnlyWhereItActs()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        request.NegativePrompt = "leaves";
        await mesh.Images.DrawAsync(request);
        mesh.Text.Requests.ShouldHaveSingleItem().Prompt.ShouldBe("a red apple");

        request.Guidance = 3;
        await mesh.Images.DrawAsync(request);
        request.ClearNegativePrompt();
        await mesh.Images.DrawAsync(request);

        mesh.Text.Requests.Select(x => (x.Prompt, x.Absent)).ShouldBe([("a red apple", false), ("leaves", false), ("", true)]);
        var drawings = mesh.Generator.Requests.ToList();
        drawings[0].NegativePrompt.ShouldBeNull();
        drawings[1].NegativePrompt.ShouldNotBe(drawings[2].NegativePrompt);
    }

    [Fact]
    public async Task Generate_Loras_ReachWhatTheyChange()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        request.Loras.Add(new Lora { Name = "shape", Weight = 0.5f });
        request.Loras.Add(new Lora { Name = "style", Weight = -1 });

        await mesh.Images.DrawAsync(request);
        mesh.Text.Requests.ShouldHaveSingleItem().Loras.Select(x => (x.Name, x.Weight)).ShouldBe([("style", -1f)]);
        mesh.Generator.Requests.ShouldHaveSingleItem().Loras.Select(x => (x.Name, x.Weight)).ShouldBe([("shape", 0.5f), ("style", -1f)]);

        // A weight of 0 is as good as none.
        request.Loras[1].Weight = 0;
        await mesh.Images.DrawAsync(request);
        mesh.Text.Requests.Last().Loras.ShouldBeEmpty();
        mesh.Generator.Requests.Last().Loras.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Generate_Control_IsResizedAndSentAsPlanes()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        request.Control = new ControlImage { Image = Picture(16, 16), Scale = 0.5f, Start = 0.25f, End = 0.75f };

        await mesh.Images.DrawAsync(request);

        var control = mesh.Generator.Requests.ShouldHaveSingleItem().Control;
        (control.Model, control.Scale, control.Start, control.End).ShouldBe(("edges", 0.5f, 0.25f, 0.75f));
        control.Image.Shape.ShouldBe([3L, 64, 64]);
        // One colour stays one colour however it is resized: red, green and blue planes.
        control.Image.Data.ToByteArray().Chunk(64 * 64).Select(x => x.Distinct().Single()).ShouldBe([(byte)10, (byte)20, (byte)30]);
    }

    [Fact]
    public async Task Generate_Upscale_StreamsTilesAndThenTheFile()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = FakeCalls.Request();
        var small = ImageCodec.Decode((await mesh.Images.DrawAsync(request)).File());
        request.Upscale = new UpscaleOptions { Seed = 200 };

        var drawn = await mesh.Images.DrawAsync(request);

        var large = ImageCodec.Decode(drawn.File());
        (large.Width, large.Height).ShouldBe((256, 256));
        large.Pixels.AsSpan((5 * 256 + 9) * 3, 3).ToArray().ShouldBe(small.Pixels.AsSpan((1 * 64 + 2) * 3, 3).ToArray());
        var canvas = Image.Filled(256, 256, 0, 0, 0);
        foreach (var tile in drawn.Events.Where(x => x.Tile is not null).Select(x => x.Tile))
        {
            tile.Rgb.Length.ShouldBeLessThanOrEqualTo(64 * 1024);
            canvas.Paste(new Image(tile.WidthPx, tile.HeightPx, tile.Rgb.ToByteArray()), tile.XPx, tile.YPx);
        }
        canvas.Pixels.ShouldBe(large.Pixels);
        drawn.Events.FindLastIndex(x => x.Tile is not null).ShouldBeLessThan(drawn.Events.FindIndex(x => x.Image is not null));
        drawn.Completed.ShouldHaveSingleItem().Upscale.ComputeUs.ShouldBe(30);
        mesh.Upsampler.Requests.ShouldHaveSingleItem().Overlapped.ShouldBeTrue();
    }

    [Fact]
    public async Task Generate_OneImageFails_OthersCome()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.BadSeeds.Add(8);
        var request = FakeCalls.Request();
        request.Count = 3;

        var drawn = await mesh.Images.DrawAsync(request);

        drawn.Completed.Select(x => x.Index).ShouldBe([0, 2]);
        var failed = drawn.Failed.ShouldHaveSingleItem();
        (failed.Index, failed.Status.Code, failed.Status.Message).ShouldBe((1, (int)StatusCode.Internal, "this seed is bad"));
    }

    private static ByteString Picture(int width, int height) => ByteString.CopyFrom(ImageCodec.Encode(Image.Filled(width, height, 10, 20, 30), Imaging.ImageFormat.Png));

    private static bool Same(byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other);
}
