using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Pipelines;

/// <summary>What a few lines or a request can change of a model: U-Net, LoRAs, recipe, ControlNets.</summary>
public sealed class EmojiModelChangesTests
{
    private const string Layer = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
    private const string TextLayer = "text_model.encoder.layers.0.mlp.fc1";

    private static readonly string Folder = Repository.PathOf("deploy", "models", "emoji");

    [Fact]
    public void Load_ReplacedUNetWithTheSameWeights_DrawsTheSame()
    {
        using var folder = new TempFolder();
        File.Copy(Path.Combine(Folder, "unet", "diffusion_pytorch_model.safetensors"), folder.File("other.safetensors"));

        Draw(new ModelDescription(Folder, UNetFile: folder.File("other.safetensors"), Recipe: "instaflow")).ShouldBe(Draw(new ModelDescription(Folder)));
    }

    [Fact]
    public void Load_ReplacedUNetOfAnotherShape_IsAnError()
    {
        using var folder = new TempFolder();
        File.Copy(Path.Combine(Folder, "vae", "diffusion_pytorch_model.safetensors"), folder.File("other.safetensors"));

        Should.Throw<WeightMismatchException>(
            () => TextToImagePipeline.Load(new ModelDescription(Folder, UNetFile: folder.File("other.safetensors"), Recipe: "instaflow")));
    }

    [Fact]
    public void Load_Lora_CountsByItsScaleInBothNetworks()
    {
        using var folder = new TempFolder();
        var plain = Draw(new ModelDescription(Folder));
        foreach (var (name, file) in new[] { ($"unet.{Layer}", "unet"), ($"text_encoder.{TextLayer}", "text") })
        {
            var path = folder.File(file + ".safetensors");
            WriteLora(path, name, 192, file == "unet" ? 192 : 768);

            Draw(new ModelDescription(Folder, Loras: [new LoraUse(path)])).ShouldNotBe(plain, file);
            Draw(new ModelDescription(Folder, Loras: [new LoraUse(path, 0)])).ShouldBe(plain, file);
        }
    }

    [Fact]
    public void Load_LoraOfAnotherModel_IsAnError()
    {
        using var folder = new TempFolder();
        WriteLora(folder.File("other.safetensors"), "unet.down_blocks.7.attentions.0.transformer_blocks.0.attn1.to_q", 192, 192);

        Should.Throw<LoraFormatException>(() => TextToImagePipeline.Load(new ModelDescription(Folder, Loras: [new LoraUse(folder.File("other.safetensors"))])));
    }

    [Fact]
    public void Load_OtherRecipe_IsTakenFromTheLine()
    {
        using var pipeline = TextToImagePipeline.Load(new ModelDescription(Folder, Recipe: "2-rf", Steps: 3, Guidance: 1.2));

        (pipeline.Recipe.Name, pipeline.Recipe.Steps, pipeline.Recipe.Guidance).ShouldBe(("2-rf", 3, 1.2));
    }

    [Fact]
    public void Generate_ControlNet_CountsByScaleAndWindow()
    {
        using var pipeline = TextToImagePipeline.Load(new ModelDescription(Folder));
        manual_seed(1);
        using var network = new ControlNet(new ControlNetConfig
        {
            Encoder = pipeline.Denoise.Network.Config with { UpAttends = [] },
            EmbeddingChannels = [16, 32, 96, 256],
            ConditioningChannels = 3,
            Bgr = false,
            GlobalPoolConditions = false,
        });
        using var picture = ones(1, 3, 64, 64).mul(0.5);
        var plain = Draw(pipeline);
        var control = new ControlUse(network, picture, Scale: 5);

        Draw(pipeline, control).ShouldNotBe(plain);
        Draw(pipeline, control with { Scale = 0 }).ShouldBe(plain);
        Draw(pipeline, control with { Start = 0.5 }).ShouldBe(plain);
        Draw(pipeline, control with { Guess = true }).ShouldNotBe(plain);

        // Two at half strength are one at full strength, but for rounding.
        var half = control with { Scale = 2.5 };
        Draw(pipeline, half, half).Zip(Draw(pipeline, control), (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);

        // With guidance the positive half alone is steered in guess mode.
        Draw(pipeline, 1.5, control).ShouldNotBe(Draw(pipeline, 1.5, control with { Guess = true }));
    }

    private static byte[] Draw(ModelDescription model)
    {
        using var pipeline = TextToImagePipeline.Load(model);
        return Draw(pipeline);
    }

    private static byte[] Draw(TextToImagePipeline pipeline, params ControlUse[] controls) => Draw(pipeline, 0, controls);

    private static byte[] Draw(TextToImagePipeline pipeline, double guidance, params ControlUse[] controls) => pipeline.Generate(new TextToImageRequest
    {
        Prompts = ["3d emoji of a fox"],
        Seeds = [3],
        Guidance = guidance,
        Controls = controls,
    })[0].Rgb;

    private static void WriteLora(string path, string layer, int width, int height)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var tensors = new Dictionary<string, Tensor>
        {
            [layer + ".lora_A.weight"] = randn(4, width).to(ScalarType.Float32),
            [layer + ".lora_B.weight"] = randn(height, 4).to(ScalarType.Float32),
        };
        SafetensorsWriter.Write(path, tensors);
    }
}
