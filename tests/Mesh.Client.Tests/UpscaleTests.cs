using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.Client.Tests;

public sealed class UpscaleTests
{
    [Fact]
    public async Task UpscaleImage_Whole_ReturnsTheCheckedFile()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();
        var request = new UpscalingRequest(new byte[] { 4, 5 }) { Model = "aura", Format = ImageFormat.Jpeg, Quality = 70 };

        var image = await client.UpscaleImageAsync(request).DefaultTimeout();

        image.Bytes.ToArray().ShouldBe(FakeGateway.FileOf(0, 1000));
        image.Upscale!.Compute.ShouldBe(TimeSpan.FromMicroseconds(5));
        var sent = gateway.Told.Upscaled.ShouldHaveSingleItem();
        (sent.Model, sent.Format, sent.Quality, sent.TilesOnly).ShouldBe(("aura", ImageFormat.Jpeg, 70, false));
        (sent.Options.Blending, sent.Options.HasSeed).ShouldBe((TileBlending.Overlapped, false));
        sent.Image.ToByteArray().ShouldBe([4, 5]);
    }

    [Fact]
    public async Task Upscale_TilesOnly_LetsTheCallerPutThemTogether()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient();
        var canvas = new byte[8 * 4 * 3];
        GeneratedImage? last = null;

        await foreach (var happened in client.UpscaleAsync(new UpscalingRequest(new byte[] { 1 }) { TilesOnly = true }))
        {
            if (happened is TileReady tile) tile.CopyTo(canvas, 8);
            if (happened is ImageReady ready) last = ready.Image;
        }

        var row = Enumerable.Repeat((byte)1, 12).Concat(Enumerable.Repeat((byte)2, 12)).ToArray();
        canvas.ShouldBe(Enumerable.Repeat(row, 4).SelectMany(x => x).ToArray());
        last.ShouldNotBeNull().Bytes.IsEmpty.ShouldBeTrue();
    }

    [Theory]
    [InlineData(7, 4)]
    [InlineData(8, 3)]
    public void CopyTo_CanvasTooSmall_IsRefused(int width, int height)
    {
        var tile = new TileReady(1, TimeSpan.Zero, 0, 4, 0, 4, 4, new byte[48]);

        Should.Throw<ArgumentException>(() => tile.CopyTo(new byte[width * height * 3], width));
    }
}
