using System.Text.Json;
using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Stages;
using Mesh.Imaging;
using Mesh.Testing;
using ImageFormat = Mesh.Imaging.ImageFormat;

namespace Mesh.FunctionalTests.Golden;

/// <summary>What comes out of the whole mesh is what the reference made of the same weights, text and noise.</summary>
public sealed class GoldenImageTests(GoldenMesh mesh) : IClassFixture<GoldenMesh>
{
    // What networks may differ by from the reference, of its largest element.
    private const double NetworkTolerance = 1e-4;

    [Theory]
    [InlineData("rf_4steps")]
    [InlineData("sd15_ddim_10")]
    [InlineData("sd15_dpm_25")]
    [InlineData("sdxl_turbo_1step")]
    [InlineData("sdxl_euler_8")]
    public async Task Generate_WithTheNoiseOfTheReference_GivesItsPictures(string golden)
    {
        using var json = GoldenTensors.ReadJson("pipelines", golden);
        var (tensors, root) = (GoldenTensors.Read("pipelines", golden), json.RootElement);
        mesh.Relay.Asked = work => work.Noise = GoldenMesh.Row(tensors, "in.noise", (int)work.Seed);
        var (prompts, negatives, steps) = (root.GetProperty("prompts"), root.GetProperty("negative_prompts"), root.GetProperty("steps"));

        for (var i = 0; i < prompts.GetArrayLength(); i++)
        {
            var request = new GenerateRequest
            {
                Model = golden,
                Prompt = prompts[i].GetString(),
                Seeds = { (ulong)i },
                WidthPx = root.GetProperty("width").GetInt32(),
                HeightPx = root.GetProperty("height").GetInt32(),
                Steps = steps.GetInt32(),
                Guidance = root.GetProperty("guidance").GetSingle(),
            };
            if (negatives.ValueKind == JsonValueKind.Array) request.NegativePrompt = negatives[i].GetString();

            var drawn = await mesh.Front.Images.DrawAsync(request);

            var size = request.WidthPx * request.HeightPx * Image.Channels;
            ShouldBeCloseBytes(drawn.Pixels(), tensors.Bytes("out.pixels")[(i * size)..((i + 1) * size)]);
        }
    }

    [Fact]
    public async Task Generate_Preview_IsTheTinyAutoencodersPicture()
    {
        var tensors = GoldenTensors.Read("vae", "taesd_slim_4");
        var shape = tensors.ShapeOf("out.decoded");
        var (height, width) = ((int)shape[2], (int)shape[3]);
        mesh.Relay.Answered = answer => answer.Latent.Values = GoldenMesh.Row(tensors, "in.latent", 0);

        var drawn = await mesh.Front.Images.DrawAsync(new() { Model = TinyModels.Flow, Prompt = "a red apple", Seeds = { 1 }, WidthPx = width, HeightPx = height, Preview = true });
        mesh.Relay.Answered = _ => { };

        // Previews are JPEG, which loses something: the reference's picture loses the same.
        var expected = new Image(width, height, BytesOf(GoldenMesh.RowOf(tensors, "out.decoded", 0), width * height));
        var lossy = ImageCodec.Decode(ImageCodec.Encode(expected, ImageFormat.Jpeg, new EncodeOptions(Quality: 75)));
        var preview = ImageCodec.Decode(drawn.Preview());
        (preview.Width, preview.Height).ShouldBe((width, height));
        preview.Pixels.Zip(lossy.Pixels, (a, b) => Math.Abs(a - b)).Average().ShouldBeLessThan(0.5);
    }

    [Fact]
    public async Task Generate_WithAControlImage_GivesTheReferencesVelocity()
    {
        var tensors = GoldenTensors.Read("controlnet", "sd15_tiny");
        using var json = GoldenTensors.ReadJson("controlnet", "sd15_tiny");
        var planes = tensors.Bytes("in.image");
        var side = (int)tensors.ShapeOf("in.image")[3];
        var picture = new byte[side * side * Image.Channels];
        for (var i = 0; i < picture.Length; i++) picture[i] = planes[(i % Image.Channels * side * side) + (i / Image.Channels)];
        var request = Flow(GoldenMesh.Controlled, side);

        (await VelocityAsync(request, tensors)).ShouldBe(GoldenMesh.RowOf(tensors, "out.unet_plain", 0), "out.unet_plain");
        request.Control = new()
        {
            Image = ByteString.CopyFrom(ImageCodec.Encode(new Image(side, side, picture), ImageFormat.Png)),
            Scale = json.RootElement.GetProperty("conditioning_scale").GetSingle(),
        };
        (await VelocityAsync(request, tensors)).ShouldBe(GoldenMesh.RowOf(tensors, "out.unet", 0), "out.unet");
    }

    [Fact]
    public async Task Generate_WithALora_GivesTheReferencesVelocity()
    {
        var tensors = GoldenTensors.Read("lora", "kohya_sd15");
        using var json = GoldenTensors.ReadJson("lora", "kohya_sd15");
        var request = Flow(TinyModels.Flow, 128);

        (await VelocityAsync(request, tensors)).ShouldBe(GoldenMesh.RowOf(tensors, "out.unet_without", 0), "out.unet_without");
        request.Loras.Add(new Lora { Name = TinyModels.Style, Weight = 1 });
        (await VelocityAsync(request, tensors)).ShouldBe(GoldenMesh.RowOf(tensors, "out.unet", 0), "out.unet");
        request.Loras[0].Weight = json.RootElement.GetProperty("scale").GetSingle();
        (await VelocityAsync(request, tensors)).ShouldBe(GoldenMesh.RowOf(tensors, "out.unet_scaled", 0), "out.unet_scaled");
    }

    [Theory]
    [InlineData(TileBlending.None, "out.plain")]
    [InlineData(TileBlending.Overlapped, "out.checkboard")]
    public async Task Upscale_WithTheNoiseOfTheReference_GivesItsPicture(TileBlending blending, string output)
    {
        var tensors = GoldenTensors.Read("aurasr", "image");
        var shape = tensors.ShapeOf("in.image");
        var file = ImageCodec.Encode(new Image((int)shape[1], (int)shape[0], tensors.Bytes("in.image")), ImageFormat.Png);
        using var call = mesh.Front.Images.Upscale(new() { Image = ByteString.CopyFrom(file), Options = new() { Blending = blending } }, deadline: DateTime.UtcNow + TimeoutExtensions.Default);
        var (expected, whole, tiles) = (tensors.Bytes(output), new MemoryStream(), new Image(4 * (int)shape[1], 4 * (int)shape[0], new byte[tensors.Bytes(output).Length]));

        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            var happened = call.ResponseStream.Current;
            happened.Failed.ShouldBeNull();
            if (happened.Image is { } chunk) whole.Write(chunk.Data.Span);
            if (happened.Tile is not { } tile) continue;
            tile.Rgb.Length.ShouldBeLessThanOrEqualTo(64 * 1024);
            tiles.Paste(new Image(tile.WidthPx, tile.HeightPx, tile.Rgb.ToByteArray()), tile.XPx, tile.YPx);
        }

        // Bytes are cut off and not rounded there, so the last bit of a float may make a difference of one.
        ShouldBeCloseBytes(ImageCodec.Decode(whole.ToArray()).Pixels, expected);
        ShouldBeCloseBytes(tiles.Pixels, expected);
    }

    private static GenerateRequest Flow(string model, int side) => new() { Model = model, Prompt = "a red apple", Seeds = { 1 }, WidthPx = side, HeightPx = side, Steps = 1 };

    /// <summary>Draws with golden noise and text; one step of a flow adds the network's output to the noise.</summary>
    private async Task<Velocity> VelocityAsync(GenerateRequest request, GoldenTensors tensors)
    {
        Tensor? latent = null;
        mesh.Relay.Asked = work => (work.Noise, work.Prompt.Context) = (GoldenMesh.Row(tensors, "in.sample", 0), GoldenMesh.Row(tensors, "in.context", 0));
        mesh.Relay.Answered = answer => latent = answer.Latent?.Values;

        (await mesh.Front.Images.DrawAsync(request)).File().ShouldNotBeEmpty();

        mesh.Relay.Answered = _ => { };
        var values = WireTensors.Floats(latent.ShouldNotBeNull(), "latent", latent.Shape.ToArray());
        return new([.. values.Zip(GoldenMesh.RowOf(tensors, "in.sample", 0), (a, b) => a - b)]);
    }

    private static byte[] BytesOf(float[] planes, int pixels)
    {
        var bytes = new byte[pixels * Image.Channels];
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)Math.Round(byte.MaxValue * Math.Clamp((planes[(i % Image.Channels * pixels) + (i / Image.Channels)] / 2) + 0.5f, 0, 1), MidpointRounding.ToEven);
        return bytes;
    }

    /// <summary>One in a thousand may lie on the other side of a rounding boundary.</summary>
    private static void ShouldBeCloseBytes(byte[] actual, byte[] expected)
    {
        actual.Length.ShouldBe(expected.Length);
        actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);
        actual.Zip(expected).Count(x => x.First != x.Second).ShouldBeLessThanOrEqualTo((int)Math.Ceiling(expected.Length / 1000.0));
    }

    private sealed record Velocity(float[] Values)
    {
        public void ShouldBe(float[] expected, string what)
        {
            Values.Length.ShouldBe(expected.Length, what);
            ((double)Values.Zip(expected, (a, b) => Math.Abs(a - b)).Max()).ShouldBeLessThanOrEqualTo(NetworkTolerance * expected.Max(Math.Abs), what);
        }
    }
}
