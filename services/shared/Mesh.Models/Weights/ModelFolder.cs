using System.Text.Json;

namespace Mesh.Models.Weights;

/// <summary>A model in the diffusers layout: <c>model_index.json</c> and a folder for each component.</summary>
public sealed class ModelFolder
{
    private const string IndexName = "model_index.json";

    /// <summary>Components that pictures are made without.</summary>
    private static readonly string[] Unneeded = ["safety_checker", "feature_extractor", "image_encoder"];

    private readonly Dictionary<string, ModelComponent> _components = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];

    private ModelFolder(string path, string? variant, JsonElement index)
    {
        (FolderPath, Variant, Index) = (path, variant, index);
        PipelineClass = index.TryGetProperty("_class_name", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
    }

    /// <summary>Where it lies.</summary>
    public string FolderPath { get; }

    /// <summary>Preferred weight files, such as fp16; each component without them uses its plain ones.</summary>
    public string? Variant { get; }

    /// <summary>The whole <c>model_index.json</c>.</summary>
    public JsonElement Index { get; }

    /// <summary>The pipeline's class, such as <c>StableDiffusionPipeline</c> or <c>RectifiedFlowPipeline</c>; null where the index does not say.</summary>
    public string? PipelineClass { get; }

    /// <summary>What is there, by name.</summary>
    public IReadOnlyDictionary<string, ModelComponent> Components => _components;

    /// <summary>What is not there or cannot be used, one sentence each; empty for a folder that is ready.</summary>
    public IReadOnlyList<string> Missing => _missing;

    /// <summary>Opens a folder. A component that is missing or broken does not stop it: see <see cref="Missing"/>.</summary>
    /// <exception cref="WeightFileException">The folder or its <c>model_index.json</c> is missing or malformed.</exception>
    public static ModelFolder Open(string path, string? variant = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string index = Path.Combine(path, IndexName);
        if (!Directory.Exists(path))
            throw new WeightFileException($"{path} is not a folder");
        if (!File.Exists(index))
            throw new WeightFileException($"{path} has no {IndexName}: it is not a model folder");
        using var json = JsonFile.Read(index);
        if (json.RootElement.ValueKind != JsonValueKind.Object)
            throw new WeightFileException($"{index} is not a JSON object");
        var folder = new ModelFolder(path, variant, json.RootElement.Clone());
        foreach (var property in folder.Index.EnumerateObject())
            folder.Add(property.Name, property.Value);
        return folder;
    }

    /// <summary>A component that must be there.</summary>
    /// <exception cref="WeightFileException">It is not; the message says why.</exception>
    public ModelComponent Require(string name) => _components.GetValueOrDefault(name)
        ?? throw new WeightFileException(_missing.FirstOrDefault(m => m.StartsWith(name + ":", StringComparison.Ordinal)) is { } why
            ? $"{FolderPath}: {why}"
            : $"{FolderPath} has no {name}");

    /// <summary>A plain option of the index, such as <c>force_zeros_for_empty_prompt</c>; <paramref name="absent"/> where it is not there.</summary>
    public bool Option(string name, bool absent) => Index.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? value.GetBoolean()
        : absent;

    private void Add(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() != 2 || Unneeded.Contains(name))
            return;
        if (value[0].ValueKind != JsonValueKind.String || value[1].ValueKind != JsonValueKind.String)
            return;
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
        {
            _missing.Add($"{WeightFileException.Quote(name)} is no component's name");
            return;
        }
        string folder = Path.Combine(FolderPath, name);
        if (!Directory.Exists(folder))
        {
            _missing.Add($"{name}: the folder is not there");
            return;
        }
        try
        {
            var component = new ModelComponent(folder, name, value[0].GetString(), value[1].GetString(), Variant);
            // A folder of transformers' may hold a whole CLIP's configuration for the part that is used, so only diffusers' own are held to it.
            if (component is { Library: "diffusers", IsNetwork: true, Class: { } stated, ConfiguredClass: { } found } && found != stated)
                component.RequireClass(stated);
            _components.Add(name, component);
            Check(component);
        }
        catch (WeightFileException fault)
        {
            _missing.Add($"{name}: {fault.Message}");
        }
    }

    private static void Check(ModelComponent component)
    {
        if (component.Name.StartsWith("tokenizer", StringComparison.Ordinal))
        {
            foreach (string file in (string[])["vocab.json", "merges.txt"])
            {
                if (!File.Exists(Path.Combine(component.Folder, file)))
                    throw new WeightFileException($"{file} is not there");
            }
            return;
        }
        component.RequireConfig();
        if (component.IsNetwork)
        {
            foreach (string file in component.FindWeights().Paths())
            {
                if (!File.Exists(file))
                    throw new WeightFileException($"the shard {Path.GetFileName(file)} is not there");
            }
        }
    }
}
