using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Evaluation;
using Mesh.Training.Optimisation;
using static TorchSharp.torch;

namespace Mesh.Training.Tests.Optimisation;

public sealed class InitialWeightsTests
{
    private const int Width = 64;
    private const int Layers = 2;
    private const double Own = 0.125; // 64^-½

    [Theory]
    [InlineData("text_model.embeddings.token_embedding.weight", 0.02)]
    [InlineData("text_model.embeddings.position_embedding.weight", 0.01)]
    [InlineData("text_model.encoder.layers.0.self_attn.q_proj.weight", Own)]
    [InlineData("text_model.encoder.layers.1.self_attn.v_proj.weight", Own)]
    [InlineData("text_model.encoder.layers.1.self_attn.out_proj.weight", Own / 2)] // 64^-½ · (2·2)^-½
    [InlineData("text_model.encoder.layers.0.mlp.fc1.weight", 0.08838835)] // 128^-½
    [InlineData("text_model.encoder.layers.0.mlp.fc2.weight", Own / 2)]
    [InlineData("text_projection.weight", Own)]
    public void Of_TextTower_HasClipsSpreads(string name, double spread)
    {
        using var tower = Text();
        InitialWeights.Of(tower, new TorchGenerator(1));

        HasSpread(tower, name, spread);
    }

    [Theory]
    [InlineData("vision_model.embeddings.position_embedding.weight", Own)]
    [InlineData("vision_model.embeddings.patch_embedding.weight", 0.04166667)] // even over ±1/√(3·8·8), whose spread is the bound over √3
    [InlineData("vision_model.encoder.layers.0.self_attn.k_proj.weight", Own)]
    [InlineData("vision_model.encoder.layers.1.mlp.fc2.weight", Own / 2)]
    [InlineData("visual_projection.weight", Own)]
    public void Of_VisionTower_HasClipsSpreads(string name, double spread)
    {
        using var tower = Vision();
        InitialWeights.Of(tower, new TorchGenerator(1));

        HasSpread(tower, name, spread);
    }

    [Fact]
    public void Of_Tower_LeavesNormsAtOneAndBiasesAtZero()
    {
        using var tower = Text();
        using (no_grad())
        {
            foreach (var parameter in tower.parameters())
                parameter.fill_(7);
        }

        InitialWeights.Of(tower, new TorchGenerator(1));

        foreach (var (name, value) in tower.named_parameters().Where(p => p.Item2.dim() == 1))
            value.eq(name.EndsWith(".bias", StringComparison.Ordinal) ? 0 : 1).all().item<bool>().ShouldBeTrue(name);
    }

    [Fact]
    public void Of_UNet_SaysNothingAtFirst()
    {
        using var mode = no_grad();
        using var net = Net();
        InitialWeights.Of(net, new TorchGenerator(1));
        using var state = randn(2, 4, 8, 8);
        using var time = full(2, 500f);
        using var text = randn(2, 3, 16);

        using var said = net.call(state, time, text, null);

        said.eq(0).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Of_UNet_DrawsItsLayersEvenlyByTheirInputs()
    {
        using var net = Net();
        InitialWeights.Of(net, new TorchGenerator(1));
        var all = net.named_parameters().ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);

        all["down_blocks.0.resnets.0.conv2.weight"].abs().max().item<float>().ShouldBe(0);
        all["down_blocks.0.attentions.0.proj_out.bias"].abs().max().item<float>().ShouldBe(0);
        all["down_blocks.0.resnets.0.norm2.weight"].eq(1).all().item<bool>().ShouldBeTrue();
        foreach (var (name, inputs) in new[] { ("down_blocks.1.resnets.0.conv1.weight", 32 * 9), ("down_blocks.1.resnets.0.conv1.bias", 32 * 9), ("time_embedding.linear_2.weight", 128) })
        {
            var bound = (float)(1 / Math.Sqrt(inputs));
            all[name].abs().max().item<float>().ShouldBeInRange(0.8f * bound, bound, name);
            all[name].mean().item<float>().ShouldBeInRange(-0.4f * bound, 0.4f * bound, name);
        }
    }

    [Fact]
    public void Of_TheSameSeed_GivesTheSameBytes()
    {
        using var one = Net();
        using var two = Net();
        using var three = Net();
        InitialWeights.Of(one, new TorchGenerator(5));
        InitialWeights.Of(two, new TorchGenerator(5));
        InitialWeights.Of(three, new TorchGenerator(6));

        foreach (var (name, value) in one.state_dict())
            value.eq(two.state_dict()[name]).all().item<bool>().ShouldBeTrue(name);
        one.state_dict()["conv_in.weight"].eq(three.state_dict()["conv_in.weight"]).all().item<bool>().ShouldBeFalse();
    }

    private static void HasSpread(nn.Module tower, string name, double spread)
    {
        var value = tower.named_parameters().Single(p => p.Item1 == name).Item2;
        using var wide = value.detach().to(ScalarType.Float64);
        // Four standard errors of a spread from n draws, 1/√(2n) of it each.
        wide.std().item<double>().ShouldBe(spread, 4 * spread / Math.Sqrt(2.0 * value.numel()));
        wide.mean().item<double>().ShouldBe(0, 4 * spread / Math.Sqrt(value.numel()));
    }

    private static ClipTextEncoder Text() => new(ClipTextConfig.FromJson(
        Json($$"""
            {"vocab_size": 300, "hidden_size": {{Width}}, "intermediate_size": 256, "num_hidden_layers": {{Layers}}, "num_attention_heads": 2,
             "max_position_embeddings": 16, "hidden_act": "quick_gelu", "eos_token_id": 299, "projection_dim": 48}
            """), projection: true));

    private static ClipVision Vision() => new(new ClipVisionConfig
    {
        HiddenSize = Width, IntermediateSize = 256, Layers = Layers, Heads = 2, ImageSize = 32, PatchSize = 8, ProjectionDim = 48, QuickGelu = true,
    });

    private static UNet Net() => new(UNetConfig.FromJson(Json("""
        {"sample_size": 8, "in_channels": 4, "out_channels": 4, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
         "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [32, 64], "layers_per_block": 1,
         "attention_head_dim": 2, "cross_attention_dim": 16, "norm_num_groups": 4}
        """)));

    private static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
