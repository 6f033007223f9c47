using Mesh.Models.Hub;
using Mesh.Testing;

namespace Mesh.Models.Tests.Hub;

public sealed class HubSelectionTests
{
    private static readonly string[] StableDiffusion =
    [
        ".gitattributes", "README.md", "model_index.json", "v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "v1-inference.yaml",
        "feature_extractor/preprocessor_config.json", "safety_checker/config.json", "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors", "text_encoder/pytorch_model.bin",
        "tokenizer/merges.txt", "tokenizer/vocab.json", "tokenizer/special_tokens_map.json",
        "unet/config.json", "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors", "unet/model.onnx",
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    ];

    [Theory]
    [InlineData(null, "unet/diffusion_pytorch_model.safetensors")]
    [InlineData("fp16", "unet/diffusion_pytorch_model.fp16.safetensors")]
    [InlineData("non_ema", "unet/diffusion_pytorch_model.non_ema.safetensors")]
    public void Choose_PublishedFolder_WhatLoadsAndNothingElse(string? variant, string unet)
    {
        Choose(variant, [], StableDiffusion).ShouldBe(
            [
                "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors",
                "tokenizer/merges.txt", "tokenizer/special_tokens_map.json", "tokenizer/vocab.json",
                "unet/config.json", unet, "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
            ]);
    }

    [Fact]
    public void Choose_Shards_ThoseOfTheVariantWithTheirIndex()
    {
        string[] files =
        [
            "model_index.json", "unet/diffusion_pytorch_model-00001-of-00002.safetensors", "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json", "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.fp16.json", "text_encoder/model-00001-of-00001.fp16.safetensors",
            "text_encoder/model.safetensors.fp16.index.json", "text_encoder/model.safetensors",
        ];
        Choose(null, [], files).ShouldBe([files[0], files[8], files[1], files[2], files[3]], ignoreOrder: true);
        Choose("fp16", [], files).ShouldBe([files[0], files[4], files[5], files[6], files[7]], ignoreOrder: true);
    }

    [Fact]
    public void Choose_OnlyAsVariant_FaultNamesIt()
    {
        string[] files = ["model_index.json", "unet/diffusion_pytorch_model.fp16.safetensors"];
        Should.Throw<HubException>(() => Choose(null, [], files)).Message.ShouldContain("fp16");
        Choose("fp16", [], files).Count().ShouldBe(2);
    }

    [Fact]
    public void Choose_RepositoryWithoutIndex_EverythingThatLoads()
    {
        Choose(null, [], ["README.md", "config.json", "pytorch_lora_weights.safetensors", "x.bin", "model.fp16.safetensors", "model.safetensors"])
            .ShouldBe(["config.json", "model.safetensors", "pytorch_lora_weights.safetensors"]);
        Should.Throw<HubException>(() => Choose(null, [], ["x.bin", "README.md"])).Fault.ShouldBe(HubFault.EntryNotFound);
    }

    [Fact]
    public void Choose_Patterns_ExactlyTheirFiles()
    {
        Choose(null, ["unet/*.bin", "v1-inference.yaml"], StableDiffusion)
            .ShouldBe(["unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.bin", "v1-inference.yaml"]);
        Should.Throw<HubException>(() => Choose(null, ["nothing*"], StableDiffusion)).Message.ShouldContain("nothing*");
    }

    [Theory]
    [InlineData("org/name", "org/name", "main")]
    [InlineData("org/name@v1.0", "org/name", "v1.0")]
    [InlineData("org/name@refs/pr/3", "org/name", "refs/pr/3")]
    public void Parse_Repository_IdAndRevision(string text, string id, string revision) => HubRepository.Parse(text).ShouldBe(new HubRepository(id, revision));

    [Theory]
    [InlineData("")]
    [InlineData("name")]
    [InlineData("a/b/c")]
    [InlineData("../x")]
    [InlineData("a/..")]
    [InlineData("a/b@")]
    [InlineData("a/b@../x")]
    [InlineData("a/b@/x")]
    [InlineData("a/b c")]
    [InlineData("a--b/c")]
    [InlineData("https://host/a/b")]
    public void Parse_AnythingElse_UsageFault(string text) => Should.Throw<HubException>(() => HubRepository.Parse(text)).Fault.ShouldBe(HubFault.Usage);

    [Fact]
    public void FromEnvironment_Variables_EachHasItsPlace()
    {
        using var folder = new TempFolder();
        var plain = HubOptions.FromEnvironment(_ => null, folder.Path);
        plain.ShouldBe(new HubOptions { CacheFolder = Path.Combine(folder.Path, ".cache", "huggingface", "hub") });
        File.WriteAllText(folder.File("token"), "abc\n");
        var set = HubOptions.FromEnvironment(n => n switch { "HF_HOME" => folder.Path, "HF_HUB_OFFLINE" => "1", "HF_ENDPOINT" => "http://localhost:5/", _ => null }, "/nowhere");
        set.ShouldBe(new HubOptions { CacheFolder = folder.File("hub"), Token = "abc", IsOffline = true, Endpoint = new Uri("http://localhost:5") });
        HubOptions.FromEnvironment(n => n switch { "HF_HUB_CACHE" => "/cache", "HF_TOKEN" => "t", "HF_HOME" => folder.Path, "HF_HUB_OFFLINE" => "0", _ => null }, "/nowhere")
            .ShouldBe(new HubOptions { CacheFolder = "/cache", Token = "t" });
        Should.Throw<HubException>(() => HubOptions.FromEnvironment(n => n == "HF_ENDPOINT" ? "ftp://x" : null, "/")).Fault.ShouldBe(HubFault.Usage);
    }

    private static IEnumerable<string> Choose(string? variant, string[] patterns, string[] files) =>
        HubSelection.Choose([.. files.Select(f => new HubFile(f, 1, new string('0', 40)))], variant, patterns).Select(f => f.Path);
}
