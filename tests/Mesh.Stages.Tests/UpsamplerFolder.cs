using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using Mesh.Testing;
using static TorchSharp.torch;

namespace Mesh.Stages.Tests;

/// <summary>Folders of upsamplers as they are published: config.json and model.safetensors.</summary>
internal static class UpsamplerFolder
{
    /// <summary>Tiles of 16 px; quick enough for tests that need many.</summary>
    public const string TinyJson = """
        {"style_network": {"dim_in": 8, "dim_out": 12, "depth": 2}, "dim": 4, "image_size": 64, "input_image_size": 16, "unconditional": true,
         "skip_connect_scale": 0.4, "up_dim_mults": [1, 2, 4], "down_dim_mults": [4], "full_attn": [false, false, true], "attn_depths": [1, 1, 1],
         "self_attn_dim_head": 4, "self_attn_heads": 2, "mid_attn_depth": 1}
        """;

    /// <summary>Writes a small network with weights that are the same on every run, and returns it.</summary>
    public static AuraSR WriteTiny(string folder) => Write(folder, TinyJson);

    /// <summary>Writes a network of that configuration with weights that are the same on every run, and returns it.</summary>
    public static AuraSR Write(string folder, string config)
    {
        using var json = JsonDocument.Parse(config);
        manual_seed(7);
        var network = new AuraSR(AuraSRConfig.FromJson(json.RootElement));
        network.eval();
        Write(folder, json.RootElement, network);
        return network;
    }

    /// <summary>Writes the network of <c>aurasr/image</c>: the published depth and tiles of 64 px, an eighth of the width.</summary>
    public static void WriteGolden(string folder) => ProceduralModels.WriteUpsampler(folder);

    private static void Write(string folder, JsonElement config, nn.Module network)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), config.GetRawText());
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), network.state_dict());
    }
}
