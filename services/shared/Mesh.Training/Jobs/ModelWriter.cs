using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Writes model folders in the diffusers layout.</summary>
internal static class ModelWriter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes a network's <c>config.json</c> and weights.</summary>
    /// <param name="folder">The component's folder.</param>
    /// <param name="network">The network.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="extra">Fields that are added to it, the class's name among them.</param>
    /// <param name="half">Whether weights are stored in float16.</param>
    public static void Network(string folder, nn.Module network, JsonElement config, JsonObject extra, bool half)
    {
        Directory.CreateDirectory(folder);
        var json = JsonObject.Create(config)!.DeepClone().AsObject();
        foreach (var (name, value) in extra)
            json[name] = value?.DeepClone();
        File.WriteAllText(Path.Combine(folder, "config.json"), json.ToJsonString(Indented));
        var transformers = extra.ContainsKey("architectures");
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var tensors = network.state_dict().Select(t => new KeyValuePair<string, Tensor>(
            t.Key, half && t.Value.is_floating_point() ? t.Value.detach().to(ScalarType.Float16) : t.Value));
        SafetensorsWriter.Write(Path.Combine(folder, transformers ? "model.safetensors" : "diffusion_pytorch_model.safetensors"), tensors);
    }

    /// <summary>Writes the index and the scheduler of a one-step rectified flow.</summary>
    public static void FlowIndex(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "scheduler"));
        Write(Path.Combine(folder, "model_index.json"), new JsonObject
        {
            ["_class_name"] = "RectifiedFlowPipeline", ["requires_safety_checker"] = false,
            ["feature_extractor"] = Pair(null, null), ["safety_checker"] = Pair(null, null), ["scheduler"] = Pair("diffusers", "PNDMScheduler"),
            ["text_encoder"] = Pair("transformers", "CLIPTextModel"), ["tokenizer"] = Pair("transformers", "CLIPTokenizer"),
            ["unet"] = Pair("diffusers", "UNet2DConditionModel"), ["vae"] = Pair("diffusers", "AutoencoderKL"),
        });
        // A rectified flow takes nothing of it but that noise is not scaled; the folder's layout wants one.
        Write(Path.Combine(folder, "scheduler", "scheduler_config.json"), new JsonObject
        {
            ["_class_name"] = "PNDMScheduler", ["beta_start"] = 0.00085, ["beta_end"] = 0.012, ["beta_schedule"] = "scaled_linear", ["num_train_timesteps"] = 1000,
            ["prediction_type"] = "epsilon", ["set_alpha_to_one"] = false, ["skip_prk_steps"] = true, ["steps_offset"] = 1, ["timestep_spacing"] = "leading",
        });
    }

    /// <summary>Copies a component as it is.</summary>
    public static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }

    /// <summary>Writes JSON for people to read.</summary>
    public static void Write(string path, JsonNode json) => File.WriteAllText(path, json.ToJsonString(Indented));

    private static JsonArray Pair(string? library, string? name) => [library, name];
}
