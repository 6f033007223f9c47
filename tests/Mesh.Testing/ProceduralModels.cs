using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mesh.Testing;

/// <summary>Writes the golden data's tiny networks as folders that the mesh serves, so that what comes out can be compared with the golden data.</summary>
public static class ProceduralModels
{
    private const string Clip = "CLIPTextModel";

    /// <summary>A text-to-image model in the diffusers layout, of a case of <c>pipelines</c> such as <c>instaflow_1step</c>.</summary>
    /// <param name="folder">Where it is made.</param>
    /// <param name="golden">The case.</param>
    /// <returns>The folder.</returns>
    public static string WritePipeline(string folder, string golden)
    {
        using var json = GoldenTensors.ReadJson("pipelines", golden);
        var models = json.RootElement.GetProperty("models");
        using var other = models.ValueKind == JsonValueKind.String ? GoldenTensors.ReadJson("pipelines", Path.GetFileNameWithoutExtension(models.GetString()!)) : null;
        var networks = other is null ? models : other.RootElement.GetProperty("models");
        var two = networks.TryGetProperty("text_encoder_2", out _);
        var hasScheduler = json.RootElement.TryGetProperty("scheduler", out var scheduler) && scheduler.ValueKind == JsonValueKind.Object;
        var index = new JsonObject { ["_class_name"] = hasScheduler ? $"StableDiffusion{(two ? "XL" : "")}Pipeline" : "RectifiedFlowPipeline" };
        if (two) index["force_zeros_for_empty_prompt"] = true;
        foreach (var network in networks.EnumerateObject())
        {
            var kind = network.Value.GetProperty("class").GetString()!;
            index[network.Name] = new JsonArray(kind.StartsWith(Clip, StringComparison.Ordinal) ? "transformers" : "diffusers", kind);
            WriteNetwork(Path.Combine(folder, network.Name), VariantOf(json), network.Value);
        }
        WriteTokenizers(folder, index, networks, second: two);
        if (hasScheduler)
        {
            var config = JsonObject.Create(scheduler)!;
            index["scheduler"] = new JsonArray("diffusers", config["class"]!.GetValue<string>());
            config["_class_name"] = config["class"]!.GetValue<string>();
            config.Remove("class");
            Write(Path.Combine(folder, "scheduler", "scheduler_config.json"), config);
        }
        Write(Path.Combine(folder, "model_index.json"), index);
        return folder;
    }

    /// <summary>
    /// A model for velocities of one step whose U-Net is that of a case of <c>controlnet</c> or <c>lora</c>; text encoder and decoder are those of
    /// <c>pipelines/instaflow_1step</c>, the text encoder that of the case where it has one.
    /// </summary>
    /// <param name="folder">Where it is made.</param>
    /// <param name="group">controlnet or lora.</param>
    /// <param name="golden">The case.</param>
    public static string WriteFlowAround(string folder, string group, string golden)
    {
        WritePipeline(folder, "instaflow_1step");
        using var json = GoldenTensors.ReadJson(group, golden);
        var root = json.RootElement;
        var weights = root.GetProperty("weights");
        var unet = root.GetProperty(root.TryGetProperty("unet_config", out _) ? "unet_config" : "config");
        using var keys = GoldenTensors.ReadJson("unet", golden.Contains("sdxl", StringComparison.Ordinal) ? "sdxl_tiny" : "sd15_tiny");
        var prefix = Text(weights, "unet_prefix") ?? (group == "lora" ? Text(weights, "prefix") : null) ?? "";
        WriteNetwork(Path.Combine(folder, "unet"), VariantOf(json), unet, prefix, keys.RootElement.GetProperty("weights").GetProperty("shapes"));
        if (root.TryGetProperty("text_config", out var text))
            WriteNetwork(Path.Combine(folder, "text_encoder"), VariantOf(json), text, Text(weights, "prefix") ?? "", weights.GetProperty("text_shapes"), "model");
        return folder;
    }

    /// <summary>The ControlNet of a case of <c>controlnet</c>.</summary>
    public static string WriteControlNet(string folder, string golden) => WriteAlone(folder, "controlnet", golden, "ControlNetModel");

    /// <summary>The tiny autoencoder of a case of <c>vae</c>, such as <c>taesd_slim_4</c>.</summary>
    public static string WriteTinyDecoder(string folder, string golden = "taesd_slim_4") => WriteAlone(folder, "vae", golden, "AutoencoderTiny");

    /// <summary>The upsampler of a case of <c>aurasr</c>, such as <c>image</c>.</summary>
    public static string WriteUpsampler(string folder, string golden = "image")
    {
        using var json = GoldenTensors.ReadJson("aurasr", golden);
        var root = json.RootElement;
        var config = JsonObject.Create(root.GetProperty("config"))!;
        foreach (var option in root.GetProperty("constructor_defaults").EnumerateObject()) config[option.Name] = JsonNode.Parse(option.Value.GetRawText());
        Write(Path.Combine(folder, "config.json"), config);
        WriteWeights(
            Path.Combine(folder, "model.safetensors"), VariantOf(json), root.GetProperty("prefix").GetString()!, root.GetProperty("state_dict"),
            root.TryGetProperty("gains", out var gains) ? Gains(gains) : _ => 1);
        return folder;
    }

    /// <summary>A LoRA file of the golden data, such as <c>kohya_sd15</c>.</summary>
    public static string LoraFile(string golden) => Repository.PathOf("tests", "goldens", "lora", golden + ".weights.safetensors");

    private static string WriteAlone(string folder, string group, string golden, string kind)
    {
        using var json = GoldenTensors.ReadJson(group, golden);
        var weights = json.RootElement.GetProperty("weights");
        var config = JsonObject.Create(json.RootElement.GetProperty("config"))!;
        config["_class_name"] = kind;
        Write(Path.Combine(folder, "config.json"), config);
        WriteWeights(
            Path.Combine(folder, "diffusion_pytorch_model.safetensors"), VariantOf(json), Text(weights, "prefix") ?? "", weights.GetProperty("shapes"),
            weights.TryGetProperty("gain", out var gains) ? Gains(gains) : _ => 1);
        return folder;
    }

    private static void WriteNetwork(string folder, string variant, JsonElement description)
    {
        var kind = description.GetProperty("class").GetString()!;
        var config = JsonObject.Create(description.GetProperty("config"))!;
        config["_class_name"] = kind;
        Write(Path.Combine(folder, "config.json"), config);
        WriteWeights(
            Path.Combine(folder, (kind.StartsWith(Clip, StringComparison.Ordinal) ? "model" : "diffusion_pytorch_model") + ".safetensors"),
            variant, description.GetProperty("prefix").GetString()!, description.GetProperty("state_dict"),
            description.TryGetProperty("gains", out var gains) ? Gains(gains) : _ => 1);
    }

    private static void WriteNetwork(string folder, string variant, JsonElement config, string prefix, JsonElement shapes, string file = "diffusion_pytorch_model")
    {
        Write(Path.Combine(folder, "config.json"), JsonObject.Create(config)!);
        WriteWeights(Path.Combine(folder, file + ".safetensors"), variant, prefix, shapes, _ => 1);
    }

    private static void WriteTokenizers(string folder, JsonObject index, JsonElement networks, bool second)
    {
        foreach (var name in second ? new[] { "tokenizer", "tokenizer_2" } : ["tokenizer"])
        {
            index[name] = new JsonArray("transformers", "CLIPTokenizer");
            var to = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
            foreach (var file in new[] { "vocab.json", "merges.txt" }) File.Copy(Repository.PathOf("tests", "goldens", "tokenizer", file), Path.Combine(to, file), overwrite: true);

            // SD 2's tokenizer and SDXL's second fill up with "!", the others with the end token; the activation tells SD 2's encoder from SD 1's.
            var encoder = networks.GetProperty(name.Replace("tokenizer", "text_encoder", StringComparison.Ordinal)).GetProperty("config");
            var pad = encoder.GetProperty("hidden_act").GetString() == "quick_gelu" ? "<|endoftext|>" : "!";
            Write(Path.Combine(to, "tokenizer_config.json"), new JsonObject { ["model_max_length"] = encoder.GetProperty("max_position_embeddings").GetInt32(), ["pad_token"] = pad });
        }
    }

    private static void WriteWeights(string path, string variant, string prefix, JsonElement shapes, Func<string, float> gain)
    {
        var header = new JsonObject();
        var end = 0L;
        List<(string Name, long[] Shape)> tensors = [.. shapes.EnumerateObject().Select(x => (x.Name, x.Value.EnumerateArray().Select(v => v.GetInt64()).ToArray()))];
        foreach (var (name, shape) in tensors)
        {
            var begin = end;
            end += shape.Aggregate((long)sizeof(float), (a, b) => a * b);
            header[name] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray([.. shape.Select(x => JsonValue.Create(x))]),
                ["data_offsets"] = new JsonArray(begin, end),
            };
        }
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var file = File.Create(path);
        var bytes = JsonSerializer.SerializeToUtf8Bytes(header);
        file.Write(BitConverter.GetBytes((long)bytes.Length));
        file.Write(bytes);
        foreach (var (name, shape) in tensors) file.Write(MemoryMarshal.AsBytes<float>(ProceduralNumbers.Weight(variant, prefix + name, shape, gain(name))));
    }

    private static Func<string, float> Gains(JsonElement gains)
    {
        if (gains.TryGetProperty("names_ending_in", out var endings))
        {
            string[] ends = [.. endings.EnumerateArray().Select(x => x.GetString()!)];
            var factor = gains.GetProperty("factor").GetSingle();
            return name => ends.Any(x => name.EndsWith(x, StringComparison.Ordinal)) ? factor : 1;
        }
        (Regex Pattern, float Factor)[] patterns =
        [
            .. gains.EnumerateObject().OrderBy(x => x.Name.Contains('*', StringComparison.Ordinal))
                .Select(x => (new Regex("^" + Regex.Escape(x.Name).Replace("\\*", ".*", StringComparison.Ordinal) + "$"), x.Value.GetSingle())),
        ];
        return name => patterns.Where(x => x.Pattern.IsMatch(name)).Select(x => x.Factor).FirstOrDefault(1);
    }

    private static string VariantOf(JsonDocument json) => Text(json.RootElement, "variant") ?? "a";

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static void Write(string path, JsonObject json)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, json.ToJsonString());
    }
}
