using System.Text.RegularExpressions;

namespace Mesh.Training.Data.Emoji;

/// <summary>Four captions of a drawing: a sentence with its style, the name with it, the name with tags and it, and the name alone.</summary>
public static partial class EmojiCaptions
{
    private const int MostTags = 4;

    /// <summary>The captions.</summary>
    /// <param name="style">What the style is called.</param>
    /// <param name="concept">What is shown.</param>
    public static string[] Of(string style, EmojiConcept concept)
    {
        ArgumentNullException.ThrowIfNull(concept);
        var name = Quotes().Replace(concept.Name, "");
        name = Toned().Replace(name, " with $1$2").Replace(": ", " of ", StringComparison.Ordinal).ToLowerInvariant();
        var tags = concept.Tags.Select(t => t.ToLowerInvariant()).Where(t => !name.Contains(t, StringComparison.Ordinal)).Take(MostTags).ToArray();
        var tagged = tags.Length > 0 ? $"{name}, {string.Join(", ", tags)}, {style} style" : $"{name}, {style} style";
        return [$"{style} emoji of {Article(name, concept.Group)}{name}", $"{name}, {style} style", tagged, name];
    }

    private static string Article(string name, string group)
    {
        var isOne = !Plural().IsMatch(name.Split(" with ")[0]) && !NoArticle().IsMatch(name) && group != "symbols";
        return !isOne ? "" : "aeiou".Contains(name[0], StringComparison.Ordinal) ? "an " : "a ";
    }

    [GeneratedRegex("[“”\"’]")]
    private static partial Regex Quotes();

    [GeneratedRegex(@": (\S+ )?((light|dark|medium).* skin tone.*)$")]
    private static partial Regex Toned();

    [GeneratedRegex("[^s]s$")]
    private static partial Regex Plural();

    [GeneratedRegex("^(japanese|keycap|zzz|top |on! |up! )")]
    private static partial Regex NoArticle();
}
