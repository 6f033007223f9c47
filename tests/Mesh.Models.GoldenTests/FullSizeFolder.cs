using System.Text.Json.Nodes;
using Mesh.Cli.Verify;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Models.GoldenTests;

/// <summary>Writes the folder of a one-step SD1.5 model as diffusers lays it out, with procedural weights in float16 (2.1 GB).</summary>
internal static class FullSizeFolder
{
    /// <summary>Bytes that the folder takes, and some to spare.</summary>
    public const long Bytes = 2_400_000_000;

    /// <summary>Writes it, a tensor at a time.</summary>
    /// <param name="folder">Where; exists and is empty.</param>
    public static void Write(string folder)
    {
        using var golden = GoldenCase.Open(GoldenFolder.Committed, "pipelines", "full_instaflow_0");
        foreach (var network in golden.Field("models").EnumerateObject())
        {
            var part = Directory.CreateDirectory(Path.Combine(folder, network.Name)).FullName;
            var name = network.Value.Text("class")!;
            var config = network.Name == "text_encoder"
                ? GoldenNetworks.With(network.Value.GetProperty("config"), "architectures", new JsonArray(name))
                : GoldenNetworks.With(network.Value.GetProperty("config"), "_class_name", name);
            File.WriteAllText(Path.Combine(part, "config.json"), config.GetRawText());
            var file = network.Name == "text_encoder" ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
            using var weights = new ProceduralWeights(golden.Numbers, network.Value.GetProperty("state_dict").Shapes(), network.Value.Text("prefix")!);
            WriteWeights(Path.Combine(part, file), weights);
        }

        CopyInto(Path.Combine(folder, "tokenizer"), ["tokenizer", "vocab.json"], ["tokenizer", "merges.txt"]);
        CopyInto(Path.Combine(folder, "scheduler"), ["folders", "tiny_sd15", "scheduler", "scheduler_config.json"]);
        var index = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenFolder.Committed, "folders", "tiny_sd15", "model_index.json")))!;
        index["_class_name"] = "RectifiedFlowPipeline"; // InstaFlow's
        File.WriteAllText(Path.Combine(folder, "model_index.json"), index.ToJsonString());
    }

    private static void WriteWeights(string path, ProceduralWeights weights) => SafetensorsWriter.Write(
        path,
        [.. weights.Entries.Select(e => new TensorToWrite(e.Key, DType.F16, e.Value.Shape, stream =>
        {
            using var tensor = weights.Read(e.Key, ScalarType.Float16);
            stream.Write(tensor.bytes);
        }))],
        new Dictionary<string, string> { ["format"] = "pt" });

    private static void CopyInto(string folder, params ReadOnlySpan<string[]> files)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in files)
            File.Copy(Path.Combine([GoldenFolder.Committed, .. file]), Path.Combine(folder, file[^1]));
    }
}
