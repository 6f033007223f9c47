using Mesh.Models.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>
/// A LoRA as it applies to the networks of a model: low-rank updates for layers of the U-Net and the text encoders. Reads the names of kohya's
/// trainer (over diffusers' or the original module paths), of PEFT, and of older diffusers.
/// </summary>
public sealed class LoraFile : IDisposable
{
    /// <summary>The header's metadata that PEFT's settings stand in.</summary>
    public const string AdapterMetadata = "lora_adapter_metadata";

    private readonly Dictionary<string, List<LoraLayer>> _layers;

    private LoraFile(Dictionary<string, List<LoraLayer>> layers) => _layers = layers;

    /// <summary>The components that the file changes: unet, text_encoder, text_encoder_2.</summary>
    public IEnumerable<string> Components => _layers.Keys;

    /// <summary>Reads a file's factors for the networks of a model.</summary>
    /// <param name="source">The file.</param>
    /// <param name="networks">The model's networks by component: unet, text_encoder, text_encoder_2.</param>
    /// <param name="metadata">The file's own metadata; null for none.</param>
    /// <exception cref="LoraFormatException">Another method than LoRA, or a layer that the networks do not have.</exception>
    public static LoraFile Read(IWeightSource source, IReadOnlyDictionary<string, Module> networks, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var targets = networks.ToDictionary(n => n.Key, n => new LoraTargets(n.Value), StringComparer.Ordinal);
        var settings = metadata is not null && metadata.TryGetValue(AdapterMetadata, out var text) ? PeftSettings.Parse(text) : null;
        var parts = new Dictionary<(string Component, string Path, bool Original), Dictionary<LoraPart, string>>();
        var unknown = new List<string>();
        foreach (var name in source.Entries.Keys)
        {
            var key = LoraKey.Parse(name);
            if (Resolve(key, targets, out var original) is not { } place)
            {
                unknown.Add(name);
                continue;
            }

            var slot = (place.Component, place.Path, original);
            if (!parts.TryGetValue(slot, out var found))
                parts[slot] = found = [];
            if (!found.TryAdd(key.Part, name))
                throw new LoraFormatException($"{name} and {found[key.Part]} are the same factor of {place.Path}");
        }

        if (unknown.Count > 0)
            throw new LoraFormatException($"{unknown.Count} of {source.Entries.Count} tensors belong to no layer of the model, first {string.Join(", ", unknown.Order(StringComparer.Ordinal).Take(3))}");
        return Build(source, targets, parts, settings);
    }

    /// <summary>The file's layers in one component; empty where it changes none.</summary>
    public IReadOnlyList<LoraLayer> Layers(string component) => _layers.TryGetValue(component, out var layers) ? layers : [];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in _layers.Values.SelectMany(l => l))
            layer.Dispose();
    }

    private static (string Component, string Path)? Resolve(LoraKey key, Dictionary<string, LoraTargets> targets, out bool original)
    {
        original = false;

        // Older files of a U-Net alone have names without a component.
        var component = key.Component ?? "unet";
        return targets.TryGetValue(component, out var target) && target.Resolve(key, out original) is { } path ? (component, path) : null;
    }

    private static LoraFile Build(
        IWeightSource source,
        Dictionary<string, LoraTargets> targets,
        Dictionary<(string Component, string Path, bool Original), Dictionary<LoraPart, string>> parts,
        PeftSettings? settings)
    {
        // A file that has both dialects of the U-Net's names says everything twice.
        var dropOriginal = parts.Keys.Any(k => k is { Component: "unet", Original: false }) && parts.Keys.Any(k => k.Original);
        var layers = new Dictionary<string, List<LoraLayer>>(StringComparer.Ordinal);
        var file = new LoraFile(layers);
        try
        {
            foreach (var (slot, names) in parts)
            {
                if (slot.Original && dropOriginal)
                    continue;
                if (!layers.TryGetValue(slot.Component, out var list))
                    layers[slot.Component] = list = [];
                var layer = Layer(source, slot.Component, slot.Path, names, settings);
                list.Add(layer);
                using var fits = layer.Delta(targets[slot.Component].Weight(slot.Path).shape);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }

        return file;
    }

    private static LoraLayer Layer(IWeightSource source, string component, string path, Dictionary<LoraPart, string> names, PeftSettings? settings)
    {
        Tensor Factor(LoraPart part) => names.TryGetValue(part, out var name)
            ? source.Read(name, ScalarType.Float32).DetachFromDisposeScope()
            : throw new LoraFormatException($"{path}: the file has no {(part == LoraPart.Down ? "down" : "up")} factor");

        double? alpha = null;
        if (names.TryGetValue(LoraPart.Alpha, out var alphaName))
        {
            using var stored = source.Read(alphaName, ScalarType.Float32);
            if (stored.numel() != 1)
                throw new LoraFormatException($"{alphaName} is not one number");
            alpha = stored.flatten()[0].item<float>();
        }

        var down = Factor(LoraPart.Down);
        var up = Factor(LoraPart.Up);
        var mid = names.ContainsKey(LoraPart.Mid) ? Factor(LoraPart.Mid) : null;
        var stabilised = false;
        if (settings is not null && settings.Find(component, path) is { } setting)
        {
            (alpha, stabilised) = (alpha ?? setting.Alpha, setting.RankStabilised);
            if (setting.Rank is { } rank && rank != down.shape[0])
                throw new LoraFormatException($"{path}: metadata give rank {rank}, the factors have {down.shape[0]}");
        }

        return new LoraLayer(path, down, up, mid, alpha, stabilised);
    }
}
