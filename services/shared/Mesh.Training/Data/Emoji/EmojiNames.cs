using System.Text;
using System.Text.Json;

namespace Mesh.Training.Data.Emoji;

/// <summary>What an emoji shows, whoever drew it.</summary>
/// <param name="Hex">Its code points in hexadecimal without leading zeros and variation selectors, joined by hyphens.</param>
/// <param name="Name">Its name, such as <c>waving hand: dark skin tone</c>.</param>
/// <param name="Tags">Words that people look for it by.</param>
/// <param name="Group">Its group, such as <c>food-drink</c>; <c>none</c> for what has none.</param>
/// <param name="Subgroup">Its subgroup.</param>
/// <param name="Tone">What its name says after the colon where it is a variant of <paramref name="Base"/>, else empty.</param>
/// <param name="Base">The code points of what it is a skin-toned variant of, else its own.</param>
public sealed record EmojiConcept(string Hex, string Name, IReadOnlyList<string> Tags, string Group, string Subgroup, string Tone, string Base);

/// <summary>Names and tags of all emoji, from emojibase's data, found by code points or by a name made plain.</summary>
public sealed class EmojiNames
{
    private const string NoGroup = "none";
    private const string VariationSelector = "FE0F";

    private static readonly string[] Tones = ["-light", "-medium", "-dark"];

    private readonly Dictionary<string, EmojiConcept> _byHex = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EmojiConcept> _bySlug = new(StringComparer.Ordinal);

    private EmojiNames()
    {
    }

    /// <summary>Reads the emojibase-data package.</summary>
    /// <param name="package">Its folder.</param>
    /// <exception cref="DataException">It is not what it should be.</exception>
    public static EmojiNames Read(string package)
    {
        using var data = PackageFiles.Json(package, "en/data.json");
        using var meta = PackageFiles.Json(package, "meta/groups.json");
        var names = new EmojiNames();
        foreach (var entry in data.RootElement.EnumerateArray())
        {
            var hex = Plain(entry.GetProperty("hexcode").GetString()!);
            string[] tags = entry.TryGetProperty("tags", out var list) ? [.. list.EnumerateArray().Select(t => t.GetString()!)] : [];
            var concept = new EmojiConcept(
                hex, entry.GetProperty("label").GetString()!, tags, Group(meta.RootElement.GetProperty("groups"), entry, "group"),
                Group(meta.RootElement.GetProperty("subgroups"), entry, "subgroup"), "", hex);
            names.Add(concept);
            if (!entry.TryGetProperty("skins", out var skins))
                continue;
            foreach (var skin in skins.EnumerateArray())
            {
                var label = skin.GetProperty("label").GetString()!;
                var tone = label.Split(": ").ElementAtOrDefault(1) ?? "";
                names.Add(concept with { Hex = Plain(skin.GetProperty("hexcode").GetString()!), Name = label, Tone = tone });
            }
        }

        return names;
    }

    /// <summary>Finds an emoji by its code points where they are known, else by a name in small letters with hyphens; null where it is none.</summary>
    public EmojiConcept? Find(string name, string? hex)
    {
        if (hex is not null && _byHex.TryGetValue(Plain(hex), out var found))
            return found;
        if (_bySlug.TryGetValue(name, out found))
            return found;
        // Icon sets leave the last words of a tone out.
        return Tones.Any(t => name.EndsWith(t, StringComparison.Ordinal)) ? _bySlug.GetValueOrDefault($"{name}-skin-tone") : null;
    }

    /// <summary>Code points without what does not tell emoji apart.</summary>
    public static string Plain(string hex)
    {
        ArgumentNullException.ThrowIfNull(hex);
        return string.Join('-', hex.ToUpperInvariant().Split('-').Where(c => c != VariationSelector).Select(c => c.TrimStart('0')));
    }

    /// <summary>A name in small letters, with hyphens for everything that is neither letter nor digit.</summary>
    public static string Slug(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var text = new StringBuilder();
        foreach (var c in name.ToLowerInvariant().Replace("&", "and", StringComparison.Ordinal).Replace('ñ', 'n'))
        {
            if ("“”\"’'.,!:()".Contains(c, StringComparison.Ordinal))
                continue;
            if (char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))
                text.Append(c);
            else if (text.Length > 0 && text[^1] != '-')
                text.Append('-');
        }

        return text.ToString().TrimEnd('-');
    }

    private void Add(EmojiConcept concept)
    {
        _byHex[concept.Hex] = concept;
        _bySlug[Slug(concept.Name)] = concept;
    }

    private static string Group(JsonElement names, JsonElement entry, string field) =>
        entry.TryGetProperty(field, out var number) && names.TryGetProperty(number.GetRawText(), out var name) ? name.GetString()! : NoGroup;
}
