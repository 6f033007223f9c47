using System.Text.Json;
using Mesh.Models.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.Cli.Bench;

/// <summary>A full-size network with random weights, and one run of it: 512 px, batch 1.</summary>
/// <param name="Name">What the table calls it.</param>
/// <param name="Make">Makes the network and what runs it once.</param>
internal sealed record ModelSubject(string Name, Func<ScalarType, (nn.Module Network, Func<Tensor> Run)> Make)
{
    public static IReadOnlyList<ModelSubject> All { get; } =
    [
        new("text", Text), new("unet", DenoisingStep), new("vae", Decode), new("tiny", DecodeTiny), new("aurasr", Enlarge),
    ];

    private static (nn.Module, Func<Tensor>) Text(ScalarType dtype)
    {
        var config = ClipTextConfig.FromJson(Json(
            """
            {"vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
             "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 2}
            """), projection: false);
        var network = Ready(new ClipTextEncoder(config), dtype);
        var ids = randint(0, config.VocabSize, [1, config.MaxPositions], ScalarType.Int64);
        return (network, () =>
        {
            using var output = network.Encode(ids);
            return output.LastHiddenState.alias();
        });
    }

    private static (nn.Module, Func<Tensor>) DenoisingStep(ScalarType dtype)
    {
        var network = Ready(new UNet(UNetConfig.FromJson(Json("""{"cross_attention_dim": 768, "sample_size": 64}"""))), dtype);
        Tensor latent = randn([1, 4, 64, 64]), time = tensor(1000f), text = randn([1, 77, 768]);
        return (network, () => network.call(latent, time, text, null));
    }

    private static (nn.Module, Func<Tensor>) Decode(ScalarType dtype)
    {
        var network = Ready(new AutoencoderKL(AutoencoderKLConfig.FromJson(Json(
            """
            {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "sample_size": 512,
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """))), dtype);
        var latent = randn([1, 4, 64, 64]);
        return (network, () => network.Decode(latent));
    }

    private static (nn.Module, Func<Tensor>) DecodeTiny(ScalarType dtype)
    {
        var network = Ready(new AutoencoderTiny(AutoencoderTinyConfig.FromJson(Json("{}"))), dtype);
        var latent = randn([1, 4, 64, 64]);
        return (network, () => network.Decode(latent));
    }

    private static (nn.Module, Func<Tensor>) Enlarge(ScalarType dtype)
    {
        var network = Ready(new AuraSR(AuraSRConfig.FromJson(Json(
            """
            {"style_network": {"dim_in": 128, "dim_out": 512, "depth": 4}, "dim": 64, "image_size": 256, "input_image_size": 64,
             "unconditional": true, "skip_connect_scale": 0.4}
            """))), dtype);
        Tensor tile = rand([1, 3, 64, 64]), z = randn([1, 128]);
        return (network, () => network.call(tile, z, null));
    }

    private static T Ready<T>(T network, ScalarType dtype)
        where T : nn.Module
    {
        network.eval();
        if (dtype != ScalarType.Float32) network.to(dtype);
        return network;
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
