using System.Text.Json;

namespace Mesh.Models.Weights;

/// <summary>One part of a model folder: a network with its configuration and weights, a tokenizer, or a scheduler's settings.</summary>
public sealed class ModelComponent
{
    private readonly string? _variant;

    internal ModelComponent(string folder, string name, string? library, string? className, string? variant)
    {
        (Folder, Name, Library, _variant) = (folder, name, library, variant);
        string file = Path.Combine(folder, name is "scheduler" ? "scheduler_config.json" : "config.json");
        ConfigPath = file;
        if (File.Exists(file))
        {
            using var json = JsonFile.Read(file);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new WeightFileException($"{file} is not a JSON object");
            Config = json.RootElement.Clone();
        }
        ConfiguredClass = Text("_class_name") ?? FirstArchitecture();
        Class = className ?? ConfiguredClass;
    }

    /// <summary>Its folder.</summary>
    public string Folder { get; }

    /// <summary>Its name, such as <c>unet</c> or <c>text_encoder_2</c>.</summary>
    public string Name { get; }

    /// <summary>The Python library that <c>model_index.json</c> names for it: diffusers, transformers; null without such a file.</summary>
    public string? Library { get; }

    /// <summary>Its class, such as <c>UNet2DConditionModel</c>: as <c>model_index.json</c> says, else as its own configuration does.</summary>
    public string? Class { get; }

    /// <summary>The class that its own configuration names, or null.</summary>
    public string? ConfiguredClass { get; }

    /// <summary><c>config.json</c>, for a scheduler <c>scheduler_config.json</c>; null where it is not there.</summary>
    public JsonElement? Config { get; }

    /// <summary>Where <see cref="Config"/> lies, or should.</summary>
    public string ConfigPath { get; }

    /// <summary>Whether it has weights: neither a tokenizer nor a scheduler.</summary>
    public bool IsNetwork => !Name.StartsWith("tokenizer", StringComparison.Ordinal) && Name != "scheduler";

    /// <summary>Opens one component's folder, without a model around it.</summary>
    /// <param name="folder">Its folder; the last part of the path is its name.</param>
    /// <param name="variant">Preferred weights, such as fp16.</param>
    /// <exception cref="WeightFileException">The folder or its configuration is missing or malformed.</exception>
    public static ModelComponent Open(string folder, string? variant = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new WeightFileException($"{folder} is not there");
        return new ModelComponent(folder, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), null, null, variant);
    }

    /// <summary>The configuration.</summary>
    /// <exception cref="WeightFileException">It is not there.</exception>
    public JsonElement RequireConfig() => Config ?? throw new WeightFileException($"{ConfigPath} is not there");

    /// <summary>Checks that the configuration is that of one of <paramref name="classes"/>.</summary>
    /// <exception cref="WeightFileException">It is missing or another class's.</exception>
    public void RequireClass(params ReadOnlySpan<string> classes)
    {
        RequireConfig();
        string found = ConfiguredClass ?? Class ?? throw new WeightFileException($"{ConfigPath} does not say which class it describes");
        foreach (string known in classes)
        {
            if (known == found)
                return;
        }
        throw new WeightFileException($"{ConfigPath} describes the class {WeightFileException.Quote(found)}, not {string.Join(" or ", classes)}");
    }

    /// <summary>Where its weights lie.</summary>
    /// <exception cref="WeightFileException">There are none.</exception>
    public WeightFiles FindWeights() => WeightFiles.Find(Folder, _variant);

    /// <summary>Opens its weights. The caller disposes of them.</summary>
    /// <exception cref="WeightFileException">There are none, or they are not valid.</exception>
    public IWeightSource OpenWeights() => FindWeights().Open();

    private string? Text(string key) => Config is { } config && config.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String
        ? value.GetString()
        : null;

    private string? FirstArchitecture() => Config is { } config && config.TryGetProperty("architectures", out var list)
        && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.String
        ? list[0].GetString()
        : null;
}
