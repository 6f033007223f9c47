using Mesh.Models.Weights;
using Mesh.Testing;

namespace Mesh.Models.Tests.Weights;

public sealed class ModelFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Open_GoldenFolder_EveryComponentButTheTokenizersFiles()
    {
        var folder = ModelFolder.Open(Repository.PathOf("tests", "goldens", "folders", "tiny_sd15"), "fp16");
        folder.PipelineClass.ShouldBe("StableDiffusionPipeline");
        folder.Components.Keys.ShouldBe(["scheduler", "text_encoder", "tokenizer", "unet", "vae"], ignoreOrder: true);
        folder.Missing.ShouldBe(["tokenizer: vocab.json is not there"]);
        folder.Require("scheduler").RequireConfig().GetProperty("_class_name").GetString().ShouldBe("PNDMScheduler");
        folder.Require("unet").FindWeights().Variant.ShouldBe("fp16");
        folder.Require("text_encoder").FindWeights().Variant.ShouldBeNull();
        folder.Require("text_encoder").ConfiguredClass.ShouldBe("CLIPTextModel");
        folder.Option("requires_safety_checker", absent: true).ShouldBeFalse();
        folder.Option("force_zeros_for_empty_prompt", absent: true).ShouldBeTrue();
        Should.Throw<WeightFileException>(() => folder.Require("text_encoder_2")).Message.ShouldContain("text_encoder_2");
    }

    [Fact]
    public void Open_ComponentsMissingOrBroken_EachSaidInOneSentence()
    {
        Write("model_index.json", """
            {"_class_name":"X","unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"],"text_encoder":["transformers","CLIPTextModel"],
             "safety_checker":["stable_diffusion","StableDiffusionSafetyChecker"],"image_encoder":[null,null],"../x":["a","b"],"number":7}
            """);
        Write("vae/config.json", "{");
        Write("text_encoder/config.json", "{}");
        Write("text_encoder/pytorch_model.bin", "");
        var folder = ModelFolder.Open(_folder.Path);
        folder.Missing.Count.ShouldBe(4);
        folder.Missing.ShouldContain("unet: the folder is not there");
        folder.Missing.ShouldContain(m => m.StartsWith("vae: ", StringComparison.Ordinal) && m.Contains("not valid JSON", StringComparison.Ordinal));
        folder.Missing.ShouldContain(m => m.StartsWith("text_encoder: ", StringComparison.Ordinal) && m.Contains("mesh models convert", StringComparison.Ordinal));
        folder.Missing.ShouldContain(m => m.Contains("'../x'", StringComparison.Ordinal));
        Should.Throw<WeightFileException>(() => folder.Require("unet")).Message.ShouldContain("the folder is not there");
    }

    [Fact]
    public void Open_ConfigurationOfAnotherClass_ComponentCannotBeRequired()
    {
        Write("model_index.json", """{"unet":["diffusers","UNet2DConditionModel"]}""");
        Write("unet/config.json", """{"_class_name":"FluxTransformer2DModel"}""");
        Write("unet/diffusion_pytorch_model.safetensors", "");
        var folder = ModelFolder.Open(_folder.Path);
        folder.Components.ShouldBeEmpty();
        Should.Throw<WeightFileException>(() => folder.Require("unet")).Message.ShouldContain("FluxTransformer2DModel");
    }

    [Theory]
    [InlineData(null, "model_index.json")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{\"a\":", "not valid JSON")]
    public void Open_NoUsableIndex_OneError(string? index, string named)
    {
        if (index is not null)
            Write("model_index.json", index);
        Should.Throw<WeightFileException>(() => ModelFolder.Open(_folder.Path)).Message.ShouldContain(named);
    }

    [Fact]
    public void RequireClass_AnotherClass_ErrorNamesIt()
    {
        var component = ModelComponent.Open(Repository.PathOf("tests", "goldens", "badfiles", "folders", "unknown_class", "unet"));
        Should.Throw<WeightFileException>(() => component.RequireClass("UNet2DConditionModel")).Message.ShouldContain("FluxTransformer2DModel");
        Should.Throw<WeightFileException>(() => ModelComponent.Open(_folder.File("nothing")));
        Should.Throw<WeightFileException>(() => ModelComponent.Open(_folder.Path).RequireConfig()).Message.ShouldContain("config.json");
    }

    [Fact]
    public async Task KnownWeights_FileOfAnotherSizeOrContent_NotRecognised()
    {
        Write("a", "x");
        KnownWeights.Recognise(_folder.File("a")).ShouldBeNull();
        KnownWeights.Recognise(_folder.File("nothing")).ShouldBeNull();
        KnownWeights.Find("48FA46161A745F48D4054DF3FE13804EE255486BCA893403B60373C188FD1BDB")!.Checkpoint.ShouldBe("SDXL-Turbo");
        KnownWeights.Files.Select(f => f.Sha256).ShouldAllBe(h => h.Length == 64 && h.All(char.IsAsciiHexDigitLower));
        KnownWeights.Files.Select(f => f.Sha256).ShouldBeUnique();
        // sha256("x") and git's blob name of "x", from their own tools.
        FileHash.Sha256(_folder.File("a")).ShouldBe("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        (await FileHash.GitBlobAsync(_folder.File("a")).DefaultTimeout()).ShouldBe("c1b0730e0133447badcfd47fd144e254807b06e1");
    }

    private void Write(string name, string content)
    {
        string path = _folder.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }
}
