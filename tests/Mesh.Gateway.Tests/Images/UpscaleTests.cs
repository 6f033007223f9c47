using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Mesh.Imaging;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Images;

public sealed class UpscaleTests
{
    [Fact]
    public async Task Upscale_Picture_StreamsTilesThenTheFile()
    {
        await using var mesh = await FakeMesh.StartAsync();

        var events = await ReadAsync(mesh, Request());

        events.Select(x => x.Sequence).ShouldBe(Enumerable.Range(1, events.Count).Select(x => (long)x));
        (events[0].Accepted.WidthPx, events[0].Accepted.HeightPx, events[0].Accepted.Model.Id).ShouldBe((40, 24, "big"));
        var tiles = events.Where(x => x.Tile is not null).Select(x => x.Tile).ToList();
        tiles.Sum(x => x.WidthPx * x.HeightPx).ShouldBe(160 * 96);
        var file = events.Where(x => x.Image is not null).SelectMany(x => x.Image.Data.ToByteArray()).ToArray();
        var image = ImageCodec.Decode(file);
        (image.Width, image.Height).ShouldBe((160, 96));
        foreach (var tile in tiles) image.Crop(tile.XPx, tile.YPx, tile.WidthPx, tile.HeightPx).Pixels.ShouldBe(tile.Rgb.ToByteArray());
        events[^1].Completed.Sha256.ToByteArray().ShouldBe(SHA256.HashData(file));
        ImageCodec.ReadText(file).ShouldHaveSingleItem().Text.ShouldBe("Upscale: 4, Upscaler: big, Upscaler hash: u1, Upscale seed: 0, Upscale blending: overlapped");
    }

    [Fact]
    public async Task Upscale_TilesOnly_LeavesTheFileOut()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = Request();
        (request.TilesOnly, request.Options) = (true, new UpscaleOptions { Blending = TileBlending.None, Seed = 9 });

        var events = await ReadAsync(mesh, request);

        events.ShouldAllBe(x => x.Image == null);
        events[^1].Completed.Sha256.ShouldBeEmpty();
        var work = mesh.Upsampler.Requests.ShouldHaveSingleItem();
        (work.Overlapped, work.Seed).ShouldBe((false, 9UL));
    }

    [Fact]
    public async Task Upscale_StageIsNotThere_SaysWhatToInstall()
    {
        await using var mesh = await FakeMesh.StartAsync(upsampler: false);

        var fault = await Should.ThrowAsync<RpcException>(() => ReadAsync(mesh, Request()));

        fault.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        fault.Status.Detail.ShouldContain("Mesh:Upsamplers");
        (await mesh.Images.GetCapabilitiesAsync(new())).Upscale.ShouldBeFalse();
        var request = FakeCalls.Request();
        request.Upscale = new UpscaleOptions();
        (await mesh.Images.FailAsync(request)).StatusCode.ShouldBe(StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task Upscale_UnknownModel_IsNotFound()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = Request();
        request.Model = "other";

        (await Should.ThrowAsync<RpcException>(() => ReadAsync(mesh, request))).StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task Upscale_StageFails_FailsTheCall()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Upsampler.RefuseNext(StatusCode.Internal, "broken");

        var fault = await Should.ThrowAsync<RpcException>(() => ReadAsync(mesh, Request()));

        (fault.StatusCode, fault.Status.Detail).ShouldBe((StatusCode.Internal, "broken"));
        fault.ToStatus().Detail<Google.Rpc.ErrorInfo>()!.Metadata["stage"].ShouldBe("upsampler");
    }

    private static UpscaleRequest Request() => new()
    {
        Image = ByteString.CopyFrom(ImageCodec.Encode(Image.Filled(40, 24, 10, 20, 30), Imaging.ImageFormat.Png)),
    };

    private static async Task<List<UpscaleResponse>> ReadAsync(FakeMesh mesh, UpscaleRequest request)
    {
        using var call = mesh.Images.Upscale(request);
        List<UpscaleResponse> events = [];
        while (await call.ResponseStream.MoveNext(default).DefaultTimeout()) events.Add(call.ResponseStream.Current);
        return events;
    }
}
