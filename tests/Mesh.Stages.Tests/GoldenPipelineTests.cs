using Mesh.Contracts.Decoder.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Decoder;
using Mesh.Generator;
using Mesh.Testing;
using Mesh.TextEncoder;

namespace Mesh.Stages.Tests;

/// <summary>Text, generator and decoder one after the other, each over its socket, give what the reference's pipelines give.</summary>
[Collection(ModelFoldersTests.Name)]
public sealed class GoldenPipelineTests(ModelFolders folders)
{
    [Theory]
    [InlineData("instaflow_1step", null)]
    [InlineData("rf_4steps", null)]
    [InlineData("sd15_ddim_10", null)]
    [InlineData("sd15_dpm_25", null)]
    [InlineData("sd_turbo_1step", null)]
    [InlineData("sdxl_turbo_1step", null)]
    [InlineData("sdxl_euler_8", "euler")]
    [InlineData("sdxl_lightning_1step", null)]
    [InlineData("dmd2_1step", "dmd2")]
    public async Task Stages_OneAfterTheOther_GiveTheGoldenPictures(string golden, string? recipe)
    {
        (string, string?)[] settings = [("Mesh:Models:m:Folder", folders.Pipeline(golden)), ("Mesh:Models:m:Recipe", recipe)];
        await using var text = await StageProcess.StartAsync(TextEncoderApp.Create, settings);
        await using var generator = await StageProcess.StartAsync(GeneratorApp.Create, settings);
        await using var decoder = await StageProcess.StartAsync(DecoderApp.Create, settings);
        using var json = GoldenTensors.ReadJson("pipelines", golden);
        var tensors = GoldenTensors.Read("pipelines", golden);
        var negatives = json.RootElement.GetProperty("negative_prompts");
        var prompts = json.RootElement.GetProperty("prompts").EnumerateArray().Select(x => x.GetString()!).ToArray();

        for (var i = 0; i < prompts.Length; i++)
        {
            var prompt = await GoldenStages.EncodeAsync(text, new EncodeRequest { Id = 1, Prompt = prompts[i] });
            GoldenStages.Values(prompt.Context).ShouldBeClose(GoldenStages.RowOf(tensors, "out.text", i), "text");
            if (tensors.Names.Contains("out.pooled")) GoldenStages.Values(prompt.Pooled).ShouldBeClose(GoldenStages.RowOf(tensors, "out.pooled", i), "pooled");
            var negative = negatives.ValueKind switch
            {
                System.Text.Json.JsonValueKind.Null => null,
                System.Text.Json.JsonValueKind.String => await GoldenStages.EncodeAsync(text, new EncodeRequest { Id = 2, Absent = true }),
                _ => await GoldenStages.EncodeAsync(text, new EncodeRequest { Id = 2, Prompt = negatives[i].GetString() }),
            };
            if (negatives.ValueKind == System.Text.Json.JsonValueKind.String) GoldenStages.Values(negative!.Context).ShouldAllBe(x => x == 0);

            var steps = json.RootElement.GetProperty("steps");
            var latent = await GoldenStages.GenerateAsync(generator, new GenerateRequest
            {
                Id = 1,
                WidthPx = json.RootElement.GetProperty("width").GetInt32(),
                HeightPx = json.RootElement.GetProperty("height").GetInt32(),
                Steps = steps.ValueKind == System.Text.Json.JsonValueKind.Array ? steps.GetArrayLength() : steps.GetInt32(),
                Guidance = json.RootElement.GetProperty("guidance").GetSingle(),
                Prompt = prompt,
                NegativePrompt = negative,
                Noise = GoldenStages.Row(tensors, "in.noise", i),
            });
            GoldenStages.Values(latent.Values).ShouldBeClose(GoldenStages.RowOf(tensors, "out.latent", i), "latent");

            var pixels = await GoldenStages.DecodeAsync(decoder, new DecodeRequest { Id = 1, Latent = latent.Values });
            pixels.Shape.ToArray().ShouldBe(tensors.ShapeOf("out.pixels")[1..]);
            var size = pixels.Data.Length;
            pixels.Data.ToByteArray().ShouldBeCloseBytes(tensors.Bytes("out.pixels")[(i * size)..((i + 1) * size)], "pixels");
        }
    }

    [Fact]
    public async Task Preview_OfATinyAutoencoder_IsGolden()
    {
        await using var decoder = await StageProcess.StartAsync(
            DecoderApp.Create, ("Mesh:Models:m:Folder", folders.Pipeline("instaflow_1step")), ("Mesh:Models:m:Preview", folders.TinyDecoder()));
        var tensors = GoldenTensors.Read("vae", "taesd_slim_4");

        var pixels = await GoldenStages.DecodeAsync(decoder, new DecodeRequest { Id = 1, Latent = GoldenStages.Row(tensors, "in.latent", 0), Quality = Quality.Preview });

        // The reference's picture is [3, H, W] in [-1, 1].
        var (height, width) = ((int)pixels.Shape[0], (int)pixels.Shape[1]);
        var picture = GoldenStages.RowOf(tensors, "out.decoded", 0);
        var expected = new byte[height * width * 3];
        for (var c = 0; c < 3; c++)
        {
            for (var i = 0; i < height * width; i++)
                expected[(i * 3) + c] = (byte)Math.Round(255 * Math.Clamp((picture[(c * height * width) + i] / 2) + 0.5f, 0, 1), MidpointRounding.ToEven);
        }
        pixels.Data.ToByteArray().ShouldBeCloseBytes(expected, "preview");
        (await decoder.GetAsync()).Models[0].Decoder.Preview.ShouldBeTrue();
    }

    [Theory]
    [InlineData("sd15_tiny")]
    public async Task ControlNet_AtOneStep_IsGolden(string golden)
    {
        await using var generator = await StageProcess.StartAsync(
            GeneratorApp.Create, ("Mesh:Models:m:Folder", folders.FlowAround("controlnet", golden)), ("Mesh:Controls:edges:Folder", folders.ControlNet(golden)));
        var tensors = GoldenTensors.Read("controlnet", golden);
        using var json = GoldenTensors.ReadJson("controlnet", golden);

        for (var row = 0; row < (int)tensors.ShapeOf("in.sample")[0]; row++)
        {
            var request = Flow(tensors, row);
            await VelocityShouldBe(generator, request, tensors, "out.unet_plain", row);
            request.Control = new Control
            {
                Model = "edges",
                Scale = json.RootElement.GetProperty("conditioning_scale").GetSingle(),
                End = 1,
                Image = Picture(tensors, row),
            };
            await VelocityShouldBe(generator, request, tensors, "out.unet", row);
        }
    }

    [Theory]
    [InlineData("kohya_sd15")]
    [InlineData("peft_plain")]
    public async Task Lora_MergedForABatch_IsGoldenAndLeavesNothing(string golden)
    {
        await using var generator = await StageProcess.StartAsync(
            GeneratorApp.Create, ("Mesh:Models:m:Folder", folders.FlowAround("lora", golden)), ("Mesh:Loras:style:File", ProceduralModels.LoraFile(golden)));
        var tensors = GoldenTensors.Read("lora", golden);
        using var json = GoldenTensors.ReadJson("lora", golden);
        var request = Flow(tensors, 0);
        var before = await GoldenStages.GenerateAsync(generator, request);

        request.Loras.Add(new Mesh.Contracts.Common.V1.Lora { Name = "style", Weight = 1 });
        await VelocityShouldBe(generator, request, tensors, "out.unet", 0);
        request.Loras[0].Weight = json.RootElement.GetProperty("scale").GetSingle();
        await VelocityShouldBe(generator, request, tensors, "out.unet_scaled", 0);
        request.Loras.Clear();
        await VelocityShouldBe(generator, request, tensors, "out.unet_without", 0);

        (await GoldenStages.GenerateAsync(generator, request)).ShouldBe(before);
    }

    private static GenerateRequest Flow(GoldenTensors tensors, int row) => new()
    {
        Id = 1,
        WidthPx = 8 * (int)tensors.ShapeOf("in.sample")[3],
        HeightPx = 8 * (int)tensors.ShapeOf("in.sample")[2],
        Steps = 1,
        Prompt = new() { Context = GoldenStages.Row(tensors, "in.context", row) },
        Noise = GoldenStages.Row(tensors, "in.sample", row),
    };

    /// <summary>One step of a rectified flow adds the network's output to the noise.</summary>
    private static async Task VelocityShouldBe(StageProcess generator, GenerateRequest request, GoldenTensors tensors, string name, int row)
    {
        var latent = GoldenStages.Values((await GoldenStages.GenerateAsync(generator, request)).Values);
        var noise = GoldenStages.RowOf(tensors, "in.sample", row);
        latent.Zip(noise, (a, b) => a - b).ToArray().ShouldBeClose(GoldenStages.RowOf(tensors, name, row), name);
    }

    private static Mesh.Contracts.Common.V1.Tensor Picture(GoldenTensors tensors, int row)
    {
        var shape = tensors.ShapeOf("in.image")[1..];
        var values = tensors.Bytes("in.image");
        var size = values.Length / (int)tensors.ShapeOf("in.image")[0];
        return Mesh.Hosting.Stages.WireTensors.OfBytes(values.AsSpan(row * size, size), shape);
    }
}
