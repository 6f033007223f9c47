using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Tests.Networks;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Lora;

public sealed class LoraTests
{
    private const string Query = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    private const string Halving = "down_blocks.0.downsamplers.0.conv";

    [Fact]
    public void Merged_TwoFiles_AreTakenOutInAnyOrderExactly()
    {
        using var gradients = no_grad();
        using var net = TinyNetworks.UNet();
        using var first = Read(net, Pair("lora_unet_" + Query.Replace('.', '_'), [8, 2], [2, 8], 1));
        using var second = Read(net, Pair("lora_unet_" + Query.Replace('.', '_'), [8, 3], [3, 8], 2));
        var weight = net.state_dict()[Query + ".weight"];
        var (before, delta1, delta2) = (TinyNetworks.Values(weight), Delta(first, weight), Delta(second, weight));
        using var merged = new MergedLoras(net);

        merged.Set(first.Layers("unet"), 0.5);
        merged.Set(second.Layers("unet"), 2);
        ShouldBeClose(weight, before, delta1, 0.5f, delta2, 2);
        merged.Remove(first.Layers("unet"));
        ShouldBeClose(weight, before, delta1, 0, delta2, 2);
        merged.Set(second.Layers("unet"), 0.25);
        ShouldBeClose(weight, before, delta1, 0, delta2, 0.25f);
        merged.Remove(second.Layers("unet"));

        TinyNetworks.Values(weight).ShouldBe(before);
    }

    [Theory]
    [InlineData(Query, new long[] { 8, 2 }, new long[] { 2, 8 })]
    [InlineData("conv_in", new long[] { 8, 2, 1, 1 }, new long[] { 2, 4, 3, 3 })]
    [InlineData(Halving, new long[] { 8, 2, 1, 1 }, new long[] { 2, 8, 3, 3 })]
    [InlineData("down_blocks.0.attentions.0.proj_in", new long[] { 8, 2 }, new long[] { 2, 8 })]
    [InlineData("down_blocks.1.resnets.0.conv_shortcut", new long[] { 16, 2, 1, 1 }, new long[] { 2, 8, 1, 1 })]
    public void Unmerged_AnyLayer_GivesWhatMergingGives(string path, long[] up, long[] down)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.UNet();
        using var lora = Read(net, Pair("unet." + path, up, down, null, ".lora_B.weight", ".lora_A.weight"));
        var (noise, context, times) = (randn([1, 4, 6, 5]), randn([1, 3, 8]), tensor(500f));
        var plain = net.call(noise, times, context, null);

        using var merged = new MergedLoras(net);
        merged.Set(lora.Layers("unet"), 1.5);
        var expected = net.call(noise, times, context, null);
        merged.Remove(lora.Layers("unet"));
        using (UnmergedLora.Attach(net, lora.Layers("unet"), 1.5))
        {
            var beside = net.call(noise, times, context, null);
            (beside - expected).abs().max().item<float>().ShouldBeLessThan(1e-4f * expected.abs().max().item<float>());
        }

        (expected - plain).abs().max().item<float>().ShouldBeGreaterThan(1e-3f);
        net.call(noise, times, context, null).Equals(plain).ShouldBeTrue("a LoRA that was taken off must leave nothing behind");
    }

    [Fact]
    public void Delta_WithMid_IsTheTripleSum()
    {
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.UNet();
        var (up, mid, down) = (randn([8, 2, 1, 1]), randn([2, 2, 3, 3]), randn([2, 4, 1, 1]));
        using var lora = Read(net, new()
        {
            ["lora_unet_conv_in.lora_up.weight"] = up, ["lora_unet_conv_in.lora_mid.weight"] = mid, ["lora_unet_conv_in.lora_down.weight"] = down,
        });

        var delta = lora.Layers("unet").Single().Delta([8, 4, 3, 3]);

        foreach (var (o, i, k, l) in new[] { (0, 0, 0, 0), (7, 3, 2, 2), (3, 1, 0, 2), (5, 2, 1, 0) })
        {
            var sum = 0f;
            for (var p = 0; p < 2; p++)
            {
                for (var q = 0; q < 2; q++)
                    sum += up[o, p, 0, 0].item<float>() * mid[p, q, k, l].item<float>() * down[q, i, 0, 0].item<float>();
            }

            delta[o, i, k, l].item<float>().ShouldBe(sum, 1e-5f);
        }
    }

    [Fact]
    public void Read_BothDialects_DropsTheOriginalNames()
    {
        using var net = TinyNetworks.UNet();
        var tensors = Pair("lora_unet_input_blocks_0_0", [8, 2, 1, 1], [2, 4, 3, 3], 1);
        using (var alone = Read(net, tensors))
            alone.Layers("unet").Single().Path.ShouldBe("conv_in");
        foreach (var (name, value) in Pair("lora_unet_conv_out", [4, 2, 1, 1], [2, 8, 3, 3], 1))
            tensors[name] = value;

        using var both = Read(net, tensors);

        both.Layers("unet").Single().Path.ShouldBe("conv_out");
    }

    [Theory]
    [InlineData("lora_unet_conv_in.dora_scale", "DoRA")]
    [InlineData("lora_unet_conv_in.hada_w1_a", "LoHa")]
    [InlineData("lora_unet_conv_in.lokr_w1", "LoKr")]
    [InlineData("lora_unet_conv_in.oft_blocks", "OFT")]
    [InlineData("unet.conv_in.lora_magnitude_vector", "DoRA")]
    [InlineData("unet.conv_in.lora_B.bias", "biases")]
    [InlineData("conv_in.weight", "not a name")]
    public void Read_AnotherMethod_IsRefusedByName(string key, string named)
    {
        using var net = TinyNetworks.UNet();

        Should.Throw<LoraFormatException>(() => Read(net, new() { [key] = ones([1]) })).Message.ShouldContain(named);
    }

    [Fact]
    public void Read_LayerThatTheModelLacks_IsNamed()
    {
        using var net = TinyNetworks.UNet();

        Should.Throw<LoraFormatException>(() => Read(net, Pair("lora_unet_down_blocks_7_resnets_0_conv1", [8, 2], [2, 8], 1)))
            .Message.ShouldContain("lora_unet_down_blocks_7_resnets_0_conv1");
        Should.Throw<LoraFormatException>(() => Read(net, Pair("lora_te_text_model_encoder_layers_0_mlp_fc1", [8, 2], [2, 8], 1))).Message.ShouldContain("fc1");
    }

    [Fact]
    public void Read_FactorsOfAnotherShape_AreRefused()
    {
        using var net = TinyNetworks.UNet();

        Should.Throw<LoraFormatException>(() => Read(net, Pair("unet." + Query, [9, 2], [2, 8], 1, ".lora_B.weight", ".lora_A.weight"))).Message.ShouldContain(Query);
        Should.Throw<LoraFormatException>(() => Read(net, new() { [$"unet.{Query}.lora_B.weight"] = ones([8, 2]) })).Message.ShouldContain("down");
    }

    [Theory]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4}""", 2.0)]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4, "unet.alpha_pattern": {"attn1.to_q": 3}}""", 1.5)]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4, "unet.alpha_pattern": {"^attn1.to_q": 3}}""", 2.0)]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4, "unet.alpha_pattern": {"n1.to_q": 3}}""", 2.0)]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4, "unet.alpha_pattern": {"to_.": 5, "attn1.to_q": 3}}""", 2.5)]
    [InlineData("""{"unet.r": 8, "unet.lora_alpha": 4, "unet.rank_pattern": {"to_q": 2}}""", 2.0)]
    [InlineData("""{"unet.r": 2, "unet.lora_alpha": 4, "unet.use_rslora": true}""", 2.8284271247)]
    [InlineData("""{"text_encoder.r": 2, "text_encoder.lora_alpha": 4}""", 1.0)]
    public void Read_PeftSettings_GiveTheScale(string settings, double scale)
    {
        using var net = TinyNetworks.UNet();
        using var lora = Read(net, Pair("unet." + Query, [8, 2], [2, 8], null, ".lora_B.weight", ".lora_A.weight"), settings);

        lora.Layers("unet").Single().Scale.ShouldBe(scale, 1e-9);
    }

    [Theory]
    [InlineData("""{"unet.use_dora": true}""", "DoRA")]
    [InlineData("""{"unet.r": 5}""", "rank 5")]
    [InlineData("""{"unet.alpha_pattern": {"(": 1}}""", "lora_adapter_metadata")]
    [InlineData("{", "lora_adapter_metadata")]
    public void Read_PeftSettingsThatDoNotFit_AreRefused(string settings, string named)
    {
        using var net = TinyNetworks.UNet();

        Should.Throw<LoraFormatException>(() => Read(net, Pair("unet." + Query, [8, 2], [2, 8], null, ".lora_B.weight", ".lora_A.weight"), settings))
            .Message.ShouldContain(named);
    }

    [Fact]
    public void WeightDelta_Added_IsTheDifferenceTimesAlpha()
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.UNet();
        var state = net.state_dict().ToDictionary(s => s.Key, s => s.Value.detach().clone());
        using IWeightSource custom = new FakeWeights(state.ToDictionary(s => s.Key, s => s.Value + 3));
        using IWeightSource basis = new FakeWeights(state.ToDictionary(s => s.Key, s => s.Value + 1));

        WeightDelta.Add(net, custom, basis, 0.5);

        net.state_dict().ShouldAllBe(s => (s.Value - state[s.Key] - 1).abs().max().item<float>() < 1e-5f);
        using IWeightSource less = new FakeWeights(state.Skip(1).ToDictionary(s => s.Key, s => s.Value));
        Should.Throw<WeightFileException>(() => WeightDelta.Add(net, less, basis, 1)).Message.ShouldContain(state.Keys.First());
    }

    private static LoraFile Read(UNet net, Dictionary<string, Tensor> tensors, string? settings = null)
    {
        using IWeightSource source = new FakeWeights(tensors);
        return LoraFile.Read(
            source, new Dictionary<string, nn.Module> { ["unet"] = net }, settings is null ? null : new Dictionary<string, string> { [LoraFile.AdapterMetadata] = settings });
    }

    private static Dictionary<string, Tensor> Pair(
        string layer, long[] up, long[] down, double? alpha, string upSuffix = ".lora_up.weight", string downSuffix = ".lora_down.weight")
    {
        var tensors = new Dictionary<string, Tensor> { [layer + upSuffix] = randn(up), [layer + downSuffix] = randn(down) };
        if (alpha is { } value)
            tensors[layer + ".alpha"] = tensor((float)value);
        return tensors;
    }

    private static float[] Delta(LoraFile lora, Tensor weight)
    {
        var layer = lora.Layers("unet").Single();
        using var delta = layer.Delta(weight.shape);
        return [.. TinyNetworks.Values(delta).Select(d => (float)(d * layer.Scale))];
    }

    private static void ShouldBeClose(Tensor weight, float[] before, float[] delta1, float factor1, float[] delta2, float factor2)
    {
        var expected = before.Select((b, i) => b + (factor1 * delta1[i]) + (factor2 * delta2[i]));
        TinyNetworks.Values(weight).Zip(expected).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-5f);
    }
}
