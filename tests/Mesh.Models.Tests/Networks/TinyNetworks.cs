using System.Text.Json;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

/// <summary>Networks small enough for unit tests, with weights that are the same on every run.</summary>
internal static class TinyNetworks
{
    public const string UNetJson = """
        {"_class_name": "UNet2DConditionModel", "block_out_channels": [8, 16], "layers_per_block": 1, "attention_head_dim": 2, "norm_num_groups": 4,
         "cross_attention_dim": 8, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}
        """;

    public const string VaeJson = """
        {"_class_name": "AutoencoderKL", "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 16,
         "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]}
        """;

    public const string AuraSRJson = """
        {"style_network": {"dim_in": 8, "dim_out": 12, "depth": 2}, "dim": 4, "image_size": 64, "input_image_size": 16, "unconditional": true,
         "skip_connect_scale": 0.4, "self_attn_dim_head": 4, "self_attn_heads": 2, "attn_depths": [1, 1, 1, 1, 1], "mid_attn_depth": 1}
        """;

    public const string TextJson = """
        {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 6,
         "projection_dim": 4, "eos_token_id": 2}
        """;

    public static UNet UNet() => Seeded(() => new UNet(UNetConfig.FromJson(Json(UNetJson))));

    public static AutoencoderKL Vae() => Seeded(() => new AutoencoderKL(AutoencoderKLConfig.FromJson(Json(VaeJson))));

    public static AuraSR AuraSR() => Seeded(() => new AuraSR(AuraSRConfig.FromJson(Json(AuraSRJson))));

    public static ClipTextEncoder Text(bool projection = true) => Seeded(() => new ClipTextEncoder(ClipTextConfig.FromJson(Json(TextJson), projection)));

    public static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public static float[] Values(Tensor tensor)
    {
        using var flat = tensor.detach().contiguous();
        return flat.data<float>().ToArray();
    }

    private static T Seeded<T>(Func<T> make)
        where T : nn.Module
    {
        manual_seed(7);
        var network = make();
        network.eval();
        return network;
    }
}
