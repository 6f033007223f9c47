using System.Globalization;
using System.Text.Json;

namespace Mesh.Training.Data.Emoji;

/// <summary>One drawing that is yet to be rendered.</summary>
/// <param name="Concept">What it shows.</param>
/// <param name="Svg">The drawing itself; null where it is a picture file.</param>
/// <param name="File">The picture file; null where it is a drawing.</param>
public sealed record EmojiDrawing(EmojiConcept Concept, string? Svg, string? File);

/// <summary>A style's drawings, one of each emoji, and what was left out of its package.</summary>
/// <param name="Drawings">In the order of the package's names.</param>
/// <param name="Version">The package's version.</param>
/// <param name="Flags">Drawings of flags and of parts of emoji.</param>
/// <param name="Nameless">Drawings of which it is not known what they show.</param>
/// <param name="Doubles">Further drawings of the same emoji.</param>
public sealed record EmojiArt(IReadOnlyList<EmojiDrawing> Drawings, string Version, int Flags, int Nameless, int Doubles)
{
    private const string Spaces = """xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" """;

    private static readonly string[] LeftOut = ["flags", "component", "none"];

    /// <summary>Reads a style's package.</summary>
    /// <param name="packages">The folder that packages are installed in.</param>
    /// <param name="style">Which.</param>
    /// <param name="names">What emoji are called.</param>
    /// <param name="side">The side that drawings will be rendered at; they are drawn at twice that and brought down.</param>
    /// <exception cref="DataException">The package is not what it should be, or states another licence than the style's.</exception>
    public static EmojiArt Read(string packages, EmojiStyle style, EmojiNames names, int side)
    {
        ArgumentNullException.ThrowIfNull(style);
        var folder = Path.Combine(packages, style.Package);
        var (version, licence) = PackageFiles.Statement(folder);
        if (licence != style.Licence || !EmojiStyle.OpenLicences.Contains(licence))
            throw new DataException($"{folder} states the licence {licence} instead of {style.Licence}");
        var all = File.Exists(Path.Combine(folder, "icons.json")) ? Icons(folder, names, 2 * side) : Files(Path.Combine(folder, "assets"), names);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var drawings = new List<EmojiDrawing>();
        int flags = 0, nameless = 0, doubles = 0;
        foreach (var (concept, svg, file) in all)
        {
            if (concept is null)
                nameless++;
            else if (LeftOut.Contains(concept.Group))
                flags++;
            else if (!seen.Add(concept.Hex))
                doubles++;
            else
                drawings.Add(new EmojiDrawing(concept, svg, file));
        }

        return new EmojiArt(drawings, version, flags, nameless, doubles);
    }

    private static IEnumerable<(EmojiConcept? Concept, string? Svg, string? File)> Files(string folder, EmojiNames names) =>
        Directory.EnumerateFiles(folder, "*.webp").Order(StringComparer.Ordinal)
            .Select(f => (names.Find("", Path.GetFileNameWithoutExtension(f)), (string?)null, (string?)f));

    private static IEnumerable<(EmojiConcept? Concept, string? Svg, string? File)> Icons(string folder, EmojiNames names, int pixels)
    {
        using var document = PackageFiles.Json(folder, "icons.json");
        var root = document.RootElement;
        var icons = root.GetProperty("icons");
        var codes = Codes(folder, root, icons);
        foreach (var icon in icons.EnumerateObject().OrderBy(i => i.Name, StringComparer.Ordinal))
        {
            if (icon.Value.TryGetProperty("hidden", out var hidden) && hidden.ValueKind == JsonValueKind.True)
                continue;
            yield return (names.Find(icon.Name, codes.GetValueOrDefault(icon.Name)), Svg(root, icon.Value, pixels), null);
        }
    }

    /// <summary>The code points of icons by name, where the package lists them; an alias' count for its icon where that has none of its own.</summary>
    private static Dictionary<string, string> Codes(string folder, JsonElement root, JsonElement icons)
    {
        var codes = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!File.Exists(Path.Combine(folder, "chars.json")))
            return codes;
        using var chars = PackageFiles.Json(folder, "chars.json");
        var listed = chars.RootElement.EnumerateObject().OrderBy(c => c.Name, StringComparer.Ordinal)
            .Select(c => (Hex: c.Name, Name: c.Value.GetString()!)).ToArray();
        foreach (var (hex, name) in listed.Where(c => icons.TryGetProperty(c.Name, out _)))
            codes[name] = hex;
        if (!root.TryGetProperty("aliases", out var aliases))
            return codes;
        foreach (var (hex, name) in listed)
        {
            if (aliases.TryGetProperty(name, out var alias))
                codes.TryAdd(alias.GetProperty("parent").GetString()!, hex);
        }

        return codes;
    }

    private static string Svg(JsonElement root, JsonElement icon, int pixels)
    {
        double Size(string field, double absent) =>
            icon.TryGetProperty(field, out var own) ? own.GetDouble() : root.TryGetProperty(field, out var all) ? all.GetDouble() : absent;
        double Corner(string field) => icon.TryGetProperty(field, out var own) ? own.GetDouble() : 0;
        var box = string.Create(CultureInfo.InvariantCulture, $"{Corner("left")} {Corner("top")} {Size("width", 16)} {Size("height", 16)}");
        return $"""<svg {Spaces}viewBox="{box}" width="{pixels}" height="{pixels}">{icon.GetProperty("body").GetString()}</svg>""";
    }
}
