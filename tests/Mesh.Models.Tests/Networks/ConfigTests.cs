using Mesh.Models.Networks;

namespace Mesh.Models.Tests.Networks;

public sealed class ConfigTests
{
    [Fact]
    public void UNet_OldestFile_TakesClassDefaults()
    {
        // SD1.5's own file names no more than this.
        var config = UNetConfig.FromJson(TinyNetworks.Json("""
            {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu", "attention_head_dim": 8,
             "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": false, "cross_attention_dim": 768,
             "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"], "downsample_padding": 1,
             "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
             "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
             "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}
            """));

        config.Heads.ShouldBe([8, 8, 8, 8]);
        config.TransformerDepth.ShouldBe([1, 1, 1, 1]);
        config.UseLinearProjection.ShouldBeFalse();
        config.AddsTextAndTime.ShouldBeFalse();
    }

    [Fact]
    public void UNet_NullAndUseDefaultValues_MeanTheDefault()
    {
        var config = UNetConfig.FromJson(TinyNetworks.Json("""
            {"cross_attention_dim": null, "layers_per_block": 5, "_use_default_values": ["layers_per_block"], "time_cond_proj_dim": null}
            """));

        config.CrossAttentionDim.ShouldBe(1280);
        config.LayersPerBlock.ShouldBe([2, 2, 2, 2]);
        config.TimeCondProjDim.ShouldBeNull();
    }

    [Theory]
    [InlineData("\"num_class_embeds\": 10", "num_class_embeds")]
    [InlineData("\"class_embed_type\": \"timestep\"", "class_embed_type")]
    [InlineData("\"encoder_hid_dim\": 1024", "encoder_hid_dim")]
    [InlineData("\"attention_type\": \"gated\"", "attention_type")]
    [InlineData("\"dual_cross_attention\": true", "dual_cross_attention")]
    [InlineData("\"only_cross_attention\": true", "only_cross_attention")]
    [InlineData("\"only_cross_attention\": [false, true, false, false]", "only_cross_attention")]
    [InlineData("\"cross_attention_norm\": \"layer_norm\"", "cross_attention_norm")]
    [InlineData("\"time_embedding_type\": \"fourier\"", "time_embedding_type")]
    [InlineData("\"resnet_time_scale_shift\": \"scale_shift\"", "resnet_time_scale_shift")]
    [InlineData("\"center_input_sample\": true", "center_input_sample")]
    [InlineData("\"num_attention_heads\": 4", "num_attention_heads")]
    [InlineData("\"addition_embed_type\": \"image\"", "addition_embed_type")]
    [InlineData("\"mid_block_type\": \"UNetMidBlock2D\"", "mid_block_type")]
    [InlineData("\"act_fn\": \"gelu\"", "act_fn")]
    [InlineData("\"a_key_of_tomorrow\": 3", "a_key_of_tomorrow")]
    [InlineData("\"down_block_types\": [\"AttnDownBlock2D\"]", "AttnDownBlock2D")]
    [InlineData("\"attention_head_dim\": [8, 8]", "attention_head_dim")]
    [InlineData("\"norm_num_groups\": 7", "groups")]
    [InlineData("\"in_channels\": \"four\"", "in_channels")]
    public void UNet_SettingNotBuilt_IsRefusedByName(string setting, string named) =>
        Should.Throw<ModelConfigException>(() => UNetConfig.FromJson(TinyNetworks.Json("{" + setting + "}"))).Message.ShouldContain(named);

    [Fact]
    public void Text_UnknownKeys_ArePassedOver()
    {
        var config = ClipTextConfig.FromJson(TinyNetworks.Json("""{"torch_dtype": "float16", "top_k": 50, "hidden_size": 64, "num_attention_heads": 4}"""), projection: false);

        config.ProjectionDim.ShouldBeNull();
        config.MaxPositions.ShouldBe(77);
        Should.Throw<ModelConfigException>(() => ClipTextConfig.FromJson(TinyNetworks.Json("""{"hidden_act": "relu"}"""), false)).Message.ShouldContain("hidden_act");
    }

    [Theory]
    [InlineData("\"latents_mean\": [0.1]", "latents_mean")]
    [InlineData("\"down_block_types\": [\"AttnDownEncoderBlock2D\"]", "down_block_types")]
    [InlineData("\"act_fn\": \"relu\"", "act_fn")]
    public void Autoencoder_SettingNotBuilt_IsRefusedByName(string setting, string named) =>
        Should.Throw<ModelConfigException>(() => AutoencoderKLConfig.FromJson(TinyNetworks.Json("{" + setting + "}"))).Message.ShouldContain(named);

    [Fact]
    public void Autoencoder_Sd15_HasTheReferencesTiles()
    {
        var config = AutoencoderKLConfig.FromJson(TinyNetworks.Json("""{"block_out_channels": [128, 256, 512, 512], "sample_size": 512}"""));

        config.ScalingFactor.ShouldBe(0.18215);
        config.ForceUpcast.ShouldBeTrue();
        config.Tiles.ShouldBe(new TileOptions(512, 64, 0.25));
    }

    [Theory]
    [InlineData("\"full_attn\": [true, false, false, true, true]", "way down")]
    [InlineData("\"image_size\": 512", "512")]
    [InlineData("\"unconditional\": false", "unconditional")]
    public void AuraSR_SettingNotBuilt_IsRefused(string setting, string named)
    {
        var text = TinyNetworks.AuraSRJson.Replace("\"image_size\": 64, ", "", StringComparison.Ordinal).Replace("\"unconditional\": true,", "", StringComparison.Ordinal);
        var json = text.TrimEnd()[..^1] + (setting.Contains("image_size", StringComparison.Ordinal) ? "" : ", \"image_size\": 64") + ", " + setting + "}";

        Should.Throw<ModelConfigException>(() => AuraSRConfig.FromJson(TinyNetworks.Json(json))).Message.ShouldContain(named);
    }
}
