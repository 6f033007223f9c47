using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Imaging;
using Mesh.Testing;
using ImageFormat = Mesh.Contracts.Image.V1.ImageFormat;

namespace Mesh.FunctionalTests.Requests;

/// <summary>Every field of a request does what it says.</summary>
[Collection(FlowMeshTests.Name)]
public sealed class FieldTests(FlowMesh mesh)
{
    private static readonly Dictionary<string, Action<GenerateRequest>> Changes = new()
    {
        ["prompt"] = x => x.Prompt = "a green apple",
        ["negative_prompt"] = x => x.NegativePrompt = "sharp",
        ["negative_prompt absent"] = x => x.ClearNegativePrompt(),
        ["seeds"] = x => x.Seeds[0] = 8,
        ["width_px"] = x => x.WidthPx = 72,
        ["height_px"] = x => x.HeightPx = 72,
        ["steps"] = x => x.Steps = 3,
        ["guidance"] = x => x.Guidance = 3,
        ["guidance none"] = x => x.Guidance = 0,
        ["loras none"] = x => x.Loras.Clear(),
        ["loras name"] = x => x.Loras[0].Name = TinyModels.Look,
        ["loras weight"] = x => x.Loras[0].Weight = 1,
        ["loras two"] = x => x.Loras.Add(new Lora { Name = TinyModels.Look, Weight = 0.5f }),
        ["control none"] = x => x.Control = null,
        ["control.image"] = x => x.Control.Image = FlowMesh.Picture(64, 16),
        ["control.scale"] = x => x.Control.Scale = 0.4f,
        ["control.start"] = x => x.Control.Start = 0.5f,
        ["control.end"] = x => x.Control.End = 0.5f,
    };

    [Fact]
    public async Task Generate_EachFieldChanged_GivesAnotherPictureAndTheSameAmongTheOthers()
    {
        var requests = Changes.ToDictionary(x => x.Key, x => Changed(x.Value));
        requests["nothing"] = FlowMesh.Full();
        var alone = new Dictionary<string, string>();
        foreach (var (name, request) in requests) alone[name] = Convert.ToHexString((await mesh.Images.DrawAsync(request)).Pixels());

        foreach (var group in alone.GroupBy(x => x.Value)) group.Select(x => x.Key).ShouldHaveSingleItem();

        // All at once they meet in the queues, where only those of one batch key may run together.
        var together = await Task.WhenAll(requests.Select(async x => (x.Key, Pixels: Convert.ToHexString((await mesh.Images.DrawAsync(x.Value)).Pixels())))).DefaultTimeout();
        foreach (var (name, pixels) in together) (pixels == alone[name]).ShouldBeTrue(name);
    }

    [Fact]
    public async Task Generate_AnotherModel_GivesAnotherPictureAndNamesIt()
    {
        var first = await mesh.Images.DrawAsync(FlowMesh.Plain());
        var request = FlowMesh.Plain();
        request.Model = FlowMesh.Other;

        var second = await mesh.Images.DrawAsync(request);

        second.Pixels().ShouldNotBe(first.Pixels());
        first.Completed().Model.Id.ShouldBe(TinyModels.Flow);
        second.Completed().Model.Id.ShouldBe(FlowMesh.Other);
        second.Accepted.Model.ShouldBe(second.Completed().Model);
    }

    [Fact]
    public async Task Generate_WithoutSizeStepsAndSeed_TakesTheModelsOwn()
    {
        var listed = (await mesh.Images.ListModelsAsync(new()).ResponseAsync.DefaultTimeout()).Models.Single(x => x.Model.Id == FlowMesh.Other);

        var drawn = await mesh.Images.DrawAsync(new() { Prompt = "a red apple", Model = FlowMesh.Other, WidthPx = 0, HeightPx = 0 });
        var again = await mesh.Images.DrawAsync(new()
        {
            Prompt = "a red apple",
            Model = FlowMesh.Other,
            WidthPx = listed.WidthPx,
            HeightPx = listed.HeightPx,
            Steps = listed.DefaultSteps,
            Guidance = listed.DefaultGuidance,
            Seeds = { drawn.Accepted.Seeds[0] },
        });

        (drawn.Accepted.WidthPx, drawn.Accepted.HeightPx).ShouldBe((listed.WidthPx, listed.HeightPx));
        again.File().ShouldBe(drawn.File());
    }

    [Fact]
    public async Task Generate_NoUpscaling_GivesTheSizeAskedForAndUpscalingFourTimesIt()
    {
        var request = FlowMesh.Plain();
        var plain = await mesh.Images.DrawAsync(request);
        request.Upscale = new();
        var upscaled = await mesh.Images.DrawAsync(request);
        request.Upscale = new() { Blending = TileBlending.None };
        var unblended = await mesh.Images.DrawAsync(request);
        request.Upscale = new() { Seed = 99 };
        var seeded = await mesh.Images.DrawAsync(request);

        SizeOf(plain).ShouldBe((64, 64));
        SizeOf(upscaled).ShouldBe((256, 256));
        new[] { upscaled, unblended, seeded }.Select(x => Convert.ToHexString(x.Pixels())).ShouldBeUnique();
        upscaled.Completed().Upscale.ShouldNotBeNull();
        plain.Completed().Upscale.ShouldBeNull();

        // The tiles that came before are the picture.
        var canvas = Image.Filled(256, 256, 0, 0, 0);
        foreach (var tile in upscaled.Events.Where(x => x.Tile is not null).Select(x => x.Tile))
            canvas.Paste(new Image(tile.WidthPx, tile.HeightPx, tile.Rgb.ToByteArray()), tile.XPx, tile.YPx);
        canvas.Pixels.ShouldBe(upscaled.Pixels());
    }

    [Theory]
    [InlineData(ImageFormat.Unspecified, "image/png", Imaging.ImageFormat.Png)]
    [InlineData(ImageFormat.Png, "image/png", Imaging.ImageFormat.Png)]
    [InlineData(ImageFormat.Jpeg, "image/jpeg", Imaging.ImageFormat.Jpeg)]
    [InlineData(ImageFormat.Webp, "image/webp", Imaging.ImageFormat.WebP)]
    public async Task Generate_Format_IsTheFiles(ImageFormat format, string mime, Imaging.ImageFormat expected)
    {
        var request = FlowMesh.Plain();
        request.Format = format;

        var drawn = await mesh.Images.DrawAsync(request);

        drawn.Events.First(x => x.Image is not null).Image.MimeType.ShouldBe(mime);
        ImageCodec.Detect(drawn.File()).ShouldBe(expected);
    }

    [Fact]
    public async Task Generate_LowerQuality_GivesASmallerFile()
    {
        var request = FlowMesh.Plain();
        request.Format = ImageFormat.Jpeg;
        request.Quality = 95;
        var fine = await mesh.Images.DrawAsync(request);
        request.Quality = 10;
        var coarse = await mesh.Images.DrawAsync(request);

        coarse.File().Length.ShouldBeLessThan(fine.File().Length);
    }

    [Fact]
    public async Task Generate_Events_AreNumberedTimedAndInOrder()
    {
        var request = FlowMesh.Plain();
        (request.Count, request.Preview, request.Upscale) = (2, true, new());

        var events = (await mesh.Images.DrawAsync(request)).Events;

        events.Select(x => x.Sequence).ShouldBe(Enumerable.Range(1, events.Count).Select(x => (long)x));
        events.Select(x => x.ElapsedUs).ShouldBeInOrder();
        events[0].EventCase.ShouldBe(GenerateResponse.EventOneofCase.Accepted);
        events[1].EventCase.ShouldBe(GenerateResponse.EventOneofCase.Encoded);
        events.Where(x => x.Image is not null).ShouldAllBe(x => x.Image.Data.Length <= 64 * 1024);
        for (var i = 0; i < request.Count; i++)
        {
            var of = events.Where(x => IndexOf(x) == i).Select(x => x.EventCase).ToList();
            of.First().ShouldBe(GenerateResponse.EventOneofCase.Preview);
            of.Last().ShouldBe(GenerateResponse.EventOneofCase.Completed);
            of.Count(x => x == GenerateResponse.EventOneofCase.Image).ShouldBeGreaterThan(1);
            of.LastIndexOf(GenerateResponse.EventOneofCase.Preview).ShouldBeLessThan(of.IndexOf(GenerateResponse.EventOneofCase.Image));
            events.Last(x => x.Image?.Index == i).Image.Last.ShouldBeTrue();
        }
    }

    private static GenerateRequest Changed(Action<GenerateRequest> change)
    {
        var request = FlowMesh.Full();
        change(request);
        return request;
    }

    private static (int Width, int Height) SizeOf(Drawn drawn)
    {
        var picture = ImageCodec.Decode(drawn.File());
        return (picture.Width, picture.Height);
    }

    private static int IndexOf(GenerateResponse happened) => happened.EventCase switch
    {
        GenerateResponse.EventOneofCase.Preview => happened.Preview.Index,
        GenerateResponse.EventOneofCase.Image => happened.Image.Index,
        GenerateResponse.EventOneofCase.Tile => happened.Tile.Index,
        GenerateResponse.EventOneofCase.Completed => happened.Completed.Index,
        _ => -1,
    };
}
