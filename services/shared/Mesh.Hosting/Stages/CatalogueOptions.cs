using System.ComponentModel.DataAnnotations;

namespace Mesh.Hosting.Stages;

/// <summary>Which models the mesh knows; the same for every service. Whether their files are there is seen when they are asked for.</summary>
public sealed class CatalogueOptions : IValidatableObject
{
    /// <summary>The keys stand under <c>Mesh</c> itself.</summary>
    public const string SectionName = "";

    private const int LongestName = 64;

    /// <summary>Text-to-image models by id.</summary>
    public Dictionary<string, ModelEntry> Models { get; set; } = new(StringComparer.Ordinal);

    /// <summary>LoRAs by name.</summary>
    public Dictionary<string, LoraEntry> Loras { get; set; } = new(StringComparer.Ordinal);

    /// <summary>ControlNets by id.</summary>
    public Dictionary<string, ControlEntry> Controls { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Upsamplers by id.</summary>
    public Dictionary<string, UpsamplerEntry> Upsamplers { get; set; } = new(StringComparer.Ordinal);

    /// <summary>The model of a request that names none. Absent: the first in ordinal order.</summary>
    public string? DefaultModel { get; set; }

    /// <summary>The upsampler of a request that names none. Absent: the first in ordinal order.</summary>
    public string? DefaultUpsampler { get; set; }

    /// <summary>The LoRAs that fit a model, in ordinal order.</summary>
    public IEnumerable<KeyValuePair<string, LoraEntry>> LorasOf(string model) => Fitting(Loras, x => x.Models, model);

    /// <summary>The ControlNets that fit a model, in ordinal order.</summary>
    public IEnumerable<KeyValuePair<string, ControlEntry>> ControlsOf(string model) => Fitting(Controls, x => x.Models, model);

    /// <summary>What an empty id means; null where nothing is configured.</summary>
    /// <param name="named">The default that is configured.</param>
    /// <param name="ids">What there is.</param>
    public static string? DefaultOf(string? named, IEnumerable<string> ids) => named ?? ids.Order(StringComparer.Ordinal).FirstOrDefault();

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (member, names) in new (string, IEnumerable<string>)[]
        {
            (nameof(Models), Models.Keys), (nameof(Loras), Loras.Keys), (nameof(Controls), Controls.Keys), (nameof(Upsamplers), Upsamplers.Keys),
        })
        {
            foreach (var name in names.Where(x => !IsName(x)))
                yield return new ValidationResult($"'{name}' is no name; write 1 to {LongestName} letters, digits, '.', '_' or '-'", [member]);
        }
        if (DefaultModel is not null && !Models.ContainsKey(DefaultModel))
            yield return new ValidationResult($"there is no model '{DefaultModel}' under Models", [nameof(DefaultModel)]);
        if (DefaultUpsampler is not null && !Upsamplers.ContainsKey(DefaultUpsampler))
            yield return new ValidationResult($"there is no upsampler '{DefaultUpsampler}' under Upsamplers", [nameof(DefaultUpsampler)]);
        foreach (var (name, lora) in Loras)
        {
            foreach (var model in lora.Models.Where(x => !Models.ContainsKey(x)))
                yield return new ValidationResult($"the LoRA '{name}' names the model '{model}', which is not under Models", [nameof(Loras)]);
        }
        foreach (var (name, control) in Controls)
        {
            foreach (var model in control.Models.Where(x => !Models.ContainsKey(x)))
                yield return new ValidationResult($"the ControlNet '{name}' names the model '{model}', which is not under Models", [nameof(Controls)]);
        }
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName && name.All(x => char.IsAsciiLetterOrDigit(x) || x is '.' or '_' or '-');

    private static IEnumerable<KeyValuePair<string, T>> Fitting<T>(Dictionary<string, T> all, Func<T, string[]> models, string model) =>
        all.Where(x => models(x.Value).Length == 0 || models(x.Value).Contains(model, StringComparer.Ordinal)).OrderBy(x => x.Key, StringComparer.Ordinal);
}

/// <summary>A text-to-image model.</summary>
public sealed class ModelEntry
{
    /// <summary>A folder in the diffusers layout, or a file of lines that describes a model.</summary>
    [Required(ErrorMessage = "is required: a model's folder")]
    public string Folder { get; set; } = "";

    /// <summary>A safetensors file that takes the place of the folder's U-Net weights.</summary>
    public string? UNetFile { get; set; }

    /// <summary>How it is stepped, such as <c>sd-turbo</c>. Absent: recognised.</summary>
    public string? Recipe { get; set; }

    /// <summary>Preferred weight files, such as fp16.</summary>
    public string? Variant { get; set; }

    /// <summary>Network steps where a request does not say. Absent: the recipe's.</summary>
    [Range(1, 1000)]
    public int? Steps { get; set; }

    /// <summary>Guidance where a request does not say. Absent: the recipe's.</summary>
    [Range(0.0, 100.0)]
    public double? Guidance { get; set; }

    /// <summary>The folder of a tiny autoencoder for previews. Absent: there are none.</summary>
    public string? Preview { get; set; }

    /// <summary>LoRAs that always act.</summary>
    public BaseLoraEntry[] BaseLoras { get; set; } = [];
}

/// <summary>A LoRA that is part of a model.</summary>
public sealed class BaseLoraEntry
{
    /// <summary>The safetensors file.</summary>
    [Required(ErrorMessage = "is required: a safetensors file")]
    public string File { get; set; } = "";

    /// <summary>How strongly it acts; 1 is as trained.</summary>
    [Range(-4.0, 4.0)]
    public double Weight { get; set; } = 1;
}

/// <summary>A LoRA that requests may name.</summary>
public sealed class LoraEntry
{
    /// <summary>The safetensors file.</summary>
    [Required(ErrorMessage = "is required: a safetensors file")]
    public string File { get; set; } = "";

    /// <summary>The models that it fits; none: all.</summary>
    public string[] Models { get; set; } = [];
}

/// <summary>A ControlNet that requests may name.</summary>
public sealed class ControlEntry
{
    /// <summary>Its folder, with config.json and weights.</summary>
    [Required(ErrorMessage = "is required: a ControlNet's folder")]
    public string Folder { get; set; } = "";

    /// <summary>The models that it fits; none: all.</summary>
    public string[] Models { get; set; } = [];
}

/// <summary>An upsampler.</summary>
public sealed class UpsamplerEntry
{
    /// <summary>Its folder, with config.json and weights.</summary>
    [Required(ErrorMessage = "is required: an upsampler's folder")]
    public string Folder { get; set; } = "";
}

/// <summary>How much memory models may take in one stage.</summary>
public sealed class ModelMemoryOptions
{
    public const string SectionName = "ModelMemory";

    private const string CpuName = "cpu";
    private const int ShareOfCpu = 4;
    private const int ShareOfGpu = 2;

    /// <summary>
    /// Most bytes of weights at once. Absent: a quarter of the machine's memory on a CPU, which the other stages, their work and everything else
    /// live in too; half of the device's own memory on a GPU, which is one stage's alone unless <c>Device:AllowShared</c> says otherwise.
    /// </summary>
    [Range(1L, long.MaxValue)]
    public long? BudgetBytes { get; set; }

    /// <summary>How long a model that is asked for waits for memory that others are using.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary><see cref="BudgetBytes"/>, or what stands for it on that device; at least 1.</summary>
    public long BudgetOn(StageDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return BudgetBytes ?? Math.Max(1, device.MemoryBytes / (device.Name == CpuName ? ShareOfCpu : ShareOfGpu));
    }
}
