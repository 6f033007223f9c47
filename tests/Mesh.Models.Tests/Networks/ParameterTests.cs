using Mesh.Models.Layers;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

/// <summary>Sizes of the published networks and their parts; nothing is allocated for them.</summary>
public sealed class ParameterTests
{
    private const string Sd15 = """{"cross_attention_dim": 768, "attention_head_dim": 8}""";
    private const string Sd21 = """{"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": true}""";
    private const string Sdxl = """
        {"cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "use_linear_projection": true, "block_out_channels": [320, 640, 1280],
         "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
         "projection_class_embeddings_input_dim": 2816, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
         "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]}
        """;

    [Theory]
    [InlineData(Sd15, 686, 859_520_964)]
    [InlineData(Sd21, 686, 865_910_724)]
    [InlineData(Sdxl, 1680, 2_567_463_684)]
    public void UNet_Published_HasItsTensorsAndParameters(string json, int tensors, long parameters)
    {
        using var net = new UNet(UNetConfig.FromJson(TinyNetworks.Json(json)), META);

        net.state_dict().Count.ShouldBe(tensors);
        Count(net).ShouldBe(parameters);
    }

    [Theory]
    [InlineData(Sd15, "conv_in", 11_840)]
    [InlineData(Sd15, "time_embedding", 2_050_560)]
    [InlineData(Sd15, "down_blocks.0", 10_524_480)]
    [InlineData(Sd15, "down_blocks.1", 36_818_560)]
    [InlineData(Sd15, "down_blocks.2", 139_992_320)]
    [InlineData(Sd15, "down_blocks.3", 62_277_120)]
    [InlineData(Sd15, "mid_block", 97_038_080)]
    [InlineData(Sd15, "up_blocks.0", 162_241_280)]
    [InlineData(Sd15, "up_blocks.3", 18_810_560)]
    [InlineData(Sd15, "conv_out", 11_524)]
    [InlineData(Sdxl, "add_embedding", 5_245_440)]
    [InlineData(Sdxl, "down_blocks.2", 757_404_160)]
    [InlineData(Sdxl, "mid_block", 413_117_440)]
    [InlineData(Sdxl, "up_blocks.0", 1_206_568_960)]
    public void UNet_Part_HasItsParameters(string json, string part, long parameters)
    {
        using var net = new UNet(UNetConfig.FromJson(TinyNetworks.Json(json)), META);

        net.state_dict().Where(s => s.Key.StartsWith(part + ".", StringComparison.Ordinal)).Sum(s => s.Value.numel()).ShouldBe(parameters);
    }

    [Fact]
    public void StackedUNet_WithoutMiddle_HasTwoNetsLessTheEnds()
    {
        var config = UNetConfig.FromJson(TinyNetworks.Json(Sd15));
        using var stacked = new StackedUNet(config, new(RemoveMiddleInOut: true, ShareWeights: false), META);

        Count(stacked).ShouldBe((2 * 859_520_964L) - 12_164 - 11_840);
        stacked.state_dict().ShouldNotContainKey("a.conv_out.weight");
        stacked.state_dict().ShouldNotContainKey("b.conv_in.weight");
    }

    [Theory]
    [InlineData("encoder.", 34_163_592)]
    [InlineData("decoder.", 49_490_179)]
    [InlineData("quant_conv.", 72)]
    [InlineData("post_quant_conv.", 20)]
    public void Autoencoder_Part_HasItsParameters(string part, long parameters)
    {
        using var vae = new AutoencoderKL(AutoencoderKLConfig.FromJson(TinyNetworks.Json("""{"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}""")), META);

        vae.state_dict().Where(s => s.Key.StartsWith(part, StringComparison.Ordinal)).Sum(s => s.Value.numel()).ShouldBe(parameters);
    }

    [Fact]
    public void AuraSR_Published_SplitsItsModulations()
    {
        using var net = new AuraSR(AuraSRConfig.FromJson(TinyNetworks.Json("""
            {"style_network": {"dim_in": 128, "dim_out": 512, "depth": 4}, "dim": 64, "image_size": 256, "input_image_size": 64, "unconditional": true,
             "skip_connect_scale": 0.4}
            """)), META);

        Count(net).ShouldBe(617_554_917);
        net.ModulationWidths.Count.ShouldBe(204);
        net.ModulationWidths.Sum().ShouldBe(33_048);
    }

    [Fact]
    public void Sinusoid_OfTheLastTimestep_HasTheReferencesValues()
    {
        using var times = tensor(new[] { 999f });
        using var wave = Sinusoid.Embed(times, 320, cosineFirst: true, shift: 0);
        using var turned = Sinusoid.Embed(times, 320, cosineFirst: false, shift: 0);

        var values = TinyNetworks.Values(wave);
        values[0].ShouldBe(0.99965f, 1e-6f);
        values[1].ShouldBe(0.802678f, 1e-6f);
        values[2].ShouldBe(-0.278062f, 7e-5f); // the reference's exp rounds this frequency up by one unit, which 999 times over is 6e-5
        values[160].ShouldBe(-0.026461f, 1e-6f);
        TinyNetworks.Values(turned).ShouldBe([.. values[160..], .. values[..160]]);
    }

    [Fact]
    public void GuessFactors_OfTwelveResiduals_RiseFromATenthToOne()
    {
        var factors = ControlNet.GuessFactors(12);

        factors.Length.ShouldBe(13);
        factors[0].ShouldBe(0.1, 1e-12);
        factors[6].ShouldBe(Math.Sqrt(0.1), 1e-12);
        factors[12].ShouldBe(1.0, 1e-12);
    }

    private static long Count(nn.Module network) => network.parameters().Sum(p => p.numel());
}
