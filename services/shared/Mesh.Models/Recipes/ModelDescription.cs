using System.Globalization;

namespace Mesh.Models.Recipes;

/// <summary>A LoRA file and how strongly it counts.</summary>
/// <param name="Path">The safetensors file.</param>
/// <param name="Scale">1 is what it was made for.</param>
public sealed record LoraUse(string Path, double Scale = 1);

/// <summary>
/// A model: a folder, or a few lines that say which folder, what replaces its U-Net, which LoRAs are added, and how it is stepped.
/// </summary>
/// <param name="Folder">The base model in the diffusers layout.</param>
/// <param name="UNetFile">A safetensors file that takes the place of the folder's U-Net weights; null for its own.</param>
/// <param name="Loras">LoRAs, in order.</param>
/// <param name="Recipe">A word of <see cref="RecipeBook"/>; null to recognise it.</param>
/// <param name="Variant">Preferred weight files, such as fp16.</param>
/// <param name="Steps">Steps where a request does not say; the recipe's own where null.</param>
/// <param name="Guidance">Guidance where a request does not say; the recipe's own where null.</param>
public sealed record ModelDescription(
    string Folder,
    string? UNetFile = null,
    IReadOnlyList<LoraUse>? Loras = null,
    string? Recipe = null,
    string? Variant = null,
    int? Steps = null,
    double? Guidance = null)
{
    private const int LongestFile = 64 << 10;
    private const int MostSteps = 1000;

    /// <summary>A folder as it stands, or the lines of a file.</summary>
    /// <param name="path">A folder with <c>model_index.json</c>, or a text file of lines; see <see cref="Parse"/>.</param>
    /// <exception cref="RecipeException">Neither is there, or a line is wrong.</exception>
    public static ModelDescription Open(string path)
    {
        if (Directory.Exists(path))
            return new ModelDescription(path);
        if (!File.Exists(path))
            throw new RecipeException($"{path} is neither a model folder nor a file that describes one");
        if (new FileInfo(path).Length > LongestFile)
            throw new RecipeException($"{path} is too long to be a model's description");
        return Parse(File.ReadAllText(path), Path.GetDirectoryName(Path.GetFullPath(path))!, path);
    }

    /// <summary>The same model with some lines of configuration changed or added.</summary>
    /// <param name="unetFile">In place of the description's; null to keep it, as for the others.</param>
    /// <param name="loras">Added after the description's.</param>
    /// <param name="recipe">A word of <see cref="RecipeBook"/>.</param>
    /// <param name="variant">Preferred weight files.</param>
    /// <param name="steps">Steps where a request does not say.</param>
    /// <param name="guidance">Guidance where a request does not say.</param>
    public ModelDescription With(string? unetFile, IEnumerable<LoraUse> loras, string? recipe, string? variant, int? steps, double? guidance) => this with
    {
        UNetFile = unetFile ?? UNetFile,
        Loras = [.. Loras ?? [], .. loras],
        Recipe = recipe ?? Recipe,
        Variant = variant ?? Variant,
        Steps = steps ?? Steps,
        Guidance = guidance ?? Guidance,
    };

    /// <summary>
    /// Reads lines <c>name: value</c>: <c>base</c> (a folder), <c>unet</c> (a file), <c>lora</c> (a file, then optionally its scale; may stand several
    /// times), <c>recipe</c>, <c>variant</c>, <c>steps</c>, <c>guidance</c>. Empty lines and those that begin with # are passed over.
    /// </summary>
    /// <param name="text">The lines.</param>
    /// <param name="folder">What relative paths count from.</param>
    /// <param name="origin">What messages call the text.</param>
    /// <exception cref="RecipeException">A line is wrong; the message names it.</exception>
    public static ModelDescription Parse(string text, string folder, string origin)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var loras = new List<LoraUse>();
        var number = 0;
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            number++;
            var line = raw.Trim().ToString();
            if (line.Length == 0 || line[0] == '#')
                continue;
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var (name, value) = colon < 0 ? (line, "") : (line[..colon].TrimEnd(), line[(colon + 1)..].Trim());
            if (value.Length == 0)
                throw new RecipeException($"{origin}, line {number}: not a name, a colon and a value");
            if (name == "lora")
                loras.Add(Lora(value, folder));
            else if (name is not ("base" or "unet" or "recipe" or "variant" or "steps" or "guidance"))
                throw new RecipeException($"{origin}, line {number}: there is no '{name}'; there are base, unet, lora, recipe, variant, steps, guidance");
            else if (!values.TryAdd(name, value))
                throw new RecipeException($"{origin}, line {number}: '{name}' stands there twice");
        }

        return new ModelDescription(
            Path.Combine(folder, values.GetValueOrDefault("base") ?? throw new RecipeException($"{origin}: no line 'base: FOLDER'")),
            values.TryGetValue("unet", out var unet) ? Path.Combine(folder, unet) : null,
            loras,
            values.GetValueOrDefault("recipe"),
            values.GetValueOrDefault("variant"),
            values.TryGetValue("steps", out var steps) ? WholeNumber(steps, origin) : null,
            values.TryGetValue("guidance", out var guidance) ? Number(guidance, origin) : null);
    }

    private static LoraUse Lora(string value, string folder)
    {
        // The scale is the last word, if it is a number and something stands before it.
        var space = value.LastIndexOf(' ');
        return space > 0 && double.TryParse(value.AsSpan(space + 1), CultureInfo.InvariantCulture, out var scale) && double.IsFinite(scale)
            ? new LoraUse(Path.Combine(folder, value[..space].TrimEnd()), scale)
            : new LoraUse(Path.Combine(folder, value));
    }

    private static int WholeNumber(string value, string origin) => int.TryParse(value, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= MostSteps
        ? number
        : throw new RecipeException($"{origin}: steps must be 1 to {MostSteps}, not '{value}'");

    private static double Number(string value, string origin) => double.TryParse(value, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 100
        ? number
        : throw new RecipeException($"{origin}: guidance must be 0 to 100, not '{value}'");
}
