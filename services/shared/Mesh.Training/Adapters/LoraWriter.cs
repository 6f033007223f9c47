using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Models.Lora;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Training.Adapters;

/// <summary>Writes trained updates by component (unet, text_encoder) as LoRA files.</summary>
public static class LoraWriter
{
    /// <summary>What the file with kohya's names is called.</summary>
    public const string KohyaFile = "lora.safetensors";

    /// <summary>What the file with PEFT's names is called, as diffusers looks for it.</summary>
    public const string PeftFile = "pytorch_lora_weights.safetensors";

    private static readonly Dictionary<string, string> KohyaPrefixes = new(StringComparer.Ordinal) { ["unet"] = "lora_unet_", ["text_encoder"] = "lora_te_" };

    /// <summary>Writes kohya's names: <c>lora_unet_PATH.lora_down.weight</c>, <c>.lora_up.weight</c> and <c>.alpha</c> a layer.</summary>
    /// <returns>The file's SHA-256.</returns>
    public static string WriteKohya(string path, IReadOnlyDictionary<string, LoraAdapters> components, bool half = false)
    {
        ArgumentNullException.ThrowIfNull(components);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (component, adapters) in components)
        {
            foreach (var adapter in adapters.All)
            {
                var name = KohyaPrefixes[component] + LoraAdapters.Flat(adapter.Path);
                tensors[name + ".lora_down.weight"] = Stored(adapter.Down, half);
                tensors[name + ".lora_up.weight"] = Stored(adapter.Up, half);
                tensors[name + ".alpha"] = Stored(tensor((float)adapter.Shape.Alpha), half);
            }
        }

        var shape = components.Values.First().All[0].Shape;
        return SafetensorsWriter.Write(path, tensors, new Dictionary<string, string>
        {
            ["format"] = "pt", ["ss_network_module"] = "networks.lora", ["ss_network_dim"] = shape.Rank.ToString(CultureInfo.InvariantCulture),
            ["ss_network_alpha"] = shape.Alpha.ToString("R", CultureInfo.InvariantCulture),
        });
    }

    /// <summary>Writes PEFT's names: <c>unet.PATH.lora_A.weight</c> and <c>.lora_B.weight</c> a layer, rank and alpha in the header.</summary>
    /// <returns>The file's SHA-256.</returns>
    public static string WritePeft(string path, IReadOnlyDictionary<string, LoraAdapters> components, bool half = false)
    {
        ArgumentNullException.ThrowIfNull(components);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var settings = new JsonObject();
        foreach (var (component, adapters) in components)
        {
            foreach (var adapter in adapters.All)
            {
                tensors[$"{component}.{adapter.Path}.lora_A.weight"] = Stored(adapter.Down, half);
                tensors[$"{component}.{adapter.Path}.lora_B.weight"] = Stored(adapter.Up, half);
            }

            var shape = adapters.All[0].Shape;
            settings[component + ".r"] = shape.Rank;
            settings[component + ".lora_alpha"] = shape.Alpha == Math.Floor(shape.Alpha) ? (long)shape.Alpha : shape.Alpha;
            settings[component + ".target_modules"] = new JsonArray([.. shape.Targets.Select(t => (JsonNode)t)]);
            settings[component + ".bias"] = "none";
            settings[component + ".use_rslora"] = false;
            settings[component + ".use_dora"] = false;
        }

        var metadata = new Dictionary<string, string> { ["format"] = "pt", [LoraFile.AdapterMetadata] = settings.ToJsonString(JsonSerializerOptions.Default) };
        return SafetensorsWriter.Write(path, tensors, metadata);
    }

    private static Tensor Stored(Tensor value, bool half) => value.detach().to(half ? ScalarType.Float16 : ScalarType.Float32);
}
