using System.Text.Json;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Weights;

public sealed class OriginalCheckpointTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("unet_sd15", new[] { 1, 2, 4, 4 }, new[] { 1, 1, 1, 0 }, 768, false, 0)]
    [InlineData("unet_sd21", new[] { 1, 2, 4, 4 }, new[] { 1, 1, 1, 0 }, 1024, true, 0)]
    [InlineData("unet_sdxl", new[] { 1, 2, 4 }, new[] { 0, 2, 10 }, 2048, true, 2816)]
    public void Components_UNetOfTheOriginalCode_NamesAndShapesOfThePublishedFolder(string golden, int[] multipliers, int[] depths, int context, bool isLinear, int label)
    {
        using var source = OriginalLayout.UNet(multipliers, depths, context, isLinear, label).Source("model.diffusion_model.");
        ShouldBeGolden(OriginalCheckpoint.From(source).Components["unet"], golden);
    }

    [Fact]
    public void Components_AutoencoderOfTheOriginalCode_NamesAndShapesOfThePublishedFolder()
    {
        using var source = OriginalLayout.Autoencoder().Source("first_stage_model.");
        ShouldBeGolden(OriginalCheckpoint.From(source).Components["vae"], "vae_kl");
    }

    [Fact]
    public void Components_OpenClipText_ThirdsTransposedAndNamed()
    {
        using var scope = NewDisposeScope();
        const string prefix = "conditioner.embedders.1.model.";
        var tensors = OpenClip(prefix, layers: 2);
        string path = _folder.File("xl.safetensors");
        SafetensorsWriter.Write(path, tensors);
        using var checkpoint = OriginalCheckpoint.Open(path);
        var text = checkpoint.Components["text_encoder_2"];
        text.Entries.Count.ShouldBe(2 + 2 + 1 + (2 * 16));
        var whole = tensors[prefix + "transformer.resblocks.1.attn.in_proj_weight"];
        string layer = "text_model.encoder.layers.1.self_attn.";
        text.Read(layer + "q_proj.weight", ScalarType.Float32).Equals(whole[..4]).ShouldBeTrue();
        text.Read(layer + "k_proj.weight", ScalarType.Float32).Equals(whole[4..8]).ShouldBeTrue();
        text.Read(layer + "v_proj.weight", ScalarType.Float32).Equals(whole[8..]).ShouldBeTrue();
        text.Entries[layer + "v_proj.bias"].Shape.ShouldBe([4]);
        text.Read("text_projection.weight", ScalarType.Float32).Equals(tensors[prefix + "text_projection"].t()).ShouldBeTrue();
        text.Read("text_model.embeddings.position_embedding.weight", ScalarType.Float32).Equals(tensors[prefix + "positional_embedding"]).ShouldBeTrue();
        text.Entries["text_model.encoder.layers.0.mlp.fc1.weight"].Shape.ShouldBe([16, 4]);
        // Filling a target goes through the same changes.
        var target = new Dictionary<string, Tensor> { [layer + "k_proj.weight"] = zeros(4, 4) };
        StrictLoader.Load(target, text, new LoadOptions { Ignore = _ => true });
        target.Values.Single().Equals(whole[4..8]).ShouldBeTrue();
    }

    [Fact]
    public void Components_OpenClipOfSd2_LastLayerAndProjectionDropped()
    {
        using var scope = NewDisposeScope();
        string path = _folder.File("sd2.safetensors");
        SafetensorsWriter.Write(path, OpenClip("cond_stage_model.model.", layers: 3));
        using var checkpoint = OriginalCheckpoint.Open(path);
        var names = checkpoint.Components["text_encoder"].Entries.Keys;
        names.ShouldContain("text_model.encoder.layers.1.layer_norm2.bias");
        names.ShouldNotContain(n => n.StartsWith("text_model.encoder.layers.2.", StringComparison.Ordinal) || n.StartsWith("text_projection", StringComparison.Ordinal));
    }

    [Fact]
    public void Components_AttentionOfTheAutoencoder_SqueezedValues()
    {
        using var scope = NewDisposeScope();
        var weight = arange(16, dtype: ScalarType.Float32).reshape(4, 4, 1, 1);
        string path = _folder.File("vae.safetensors");
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["first_stage_model.decoder.mid.attn_1.q.weight"] = weight, ["model_ema.decay"] = zeros(1), ["betas"] = zeros(3) });
        using var checkpoint = OriginalCheckpoint.Open(path);
        checkpoint.Components.Keys.ShouldBe(["vae"]);
        var read = checkpoint.Components["vae"].Read("decoder.mid_block.attentions.0.to_q.weight", ScalarType.Float32);
        read.shape.ShouldBe([4, 4]);
        read.data<float>().ToArray().ShouldBe(Enumerable.Range(0, 16).Select(i => (float)i));
    }

    [Theory]
    [InlineData("stranger.weight")]
    [InlineData("model.diffusion_model.stranger.weight")]
    [InlineData("model.diffusion_model.input_blocks.1.0.stranger.weight")]
    [InlineData("first_stage_model.encoder.down.0.stranger")]
    [InlineData("conditioner.embedders.1.model.transformer.resblocks.0.stranger")]
    public void Open_UnknownName_ErrorNamesIt(string name)
    {
        string path = _folder.File("x.safetensors");
        SafetensorsWriter.Write(path, [new TensorToWrite(name, DType.F32, [1], s => s.Write(new byte[4]))], null);
        Should.Throw<WeightFileException>(() => OriginalCheckpoint.Open(path)).Message.ShouldContain(name);
    }

    private static Dictionary<string, Tensor> OpenClip(string prefix, int layers)
    {
        var tensors = new Dictionary<string, Tensor>();
        void Add(string name, params long[] shape) => tensors[prefix + name] = rand(shape);
        Add("positional_embedding", 7, 4);
        Add("token_embedding.weight", 11, 4);
        Add("ln_final.weight", 4);
        Add("ln_final.bias", 4);
        Add("text_projection", 4, 4);
        Add("logit_scale");
        for (int i = 0; i < layers; i++)
        {
            string block = $"transformer.resblocks.{i}.";
            Add(block + "attn.in_proj_weight", 12, 4);
            Add(block + "attn.in_proj_bias", 12);
            Add(block + "attn.out_proj.weight", 4, 4);
            Add(block + "attn.out_proj.bias", 4);
            foreach (string norm in (string[])["ln_1", "ln_2"])
            {
                Add($"{block}{norm}.weight", 4);
                Add($"{block}{norm}.bias", 4);
            }
            Add(block + "mlp.c_fc.weight", 16, 4);
            Add(block + "mlp.c_fc.bias", 16);
            Add(block + "mlp.c_proj.weight", 4, 16);
            Add(block + "mlp.c_proj.bias", 4);
        }
        return tensors;
    }

    private static void ShouldBeGolden(IWeightSource actual, string golden)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Repository.PathOf("tests", "goldens", "shapes", golden + ".json")));
        var expected = json.RootElement.GetProperty("shapes").EnumerateObject()
            .Select(p => $"{p.Name} {p.Value.GetRawText().Replace(" ", "", StringComparison.Ordinal)}").Order(StringComparer.Ordinal);
        actual.Entries.Select(e => $"{e.Key} [{string.Join(",", e.Value.Shape)}]").Order(StringComparer.Ordinal).ShouldBe(expected);
    }
}
