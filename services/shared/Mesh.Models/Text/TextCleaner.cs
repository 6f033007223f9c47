using System.Globalization;
using System.Text;

namespace Mesh.Models.Text;

/// <summary>
/// The clean-up before CLIP's byte-pair encoding, as the reference's original tokenizer does it: control, format, private and unassigned
/// characters go, ideographs stand alone, normal form C, single spaces, lower case with Greek final sigma.
/// </summary>
internal static class TextCleaner
{
    private const int CapitalSigma = 0x3A3;
    private const int SmallSigma = 0x3C3;
    private const int FinalSigma = 0x3C2;
    private const int CapitalDottedI = 0x130;

    private static readonly (int First, int Last)[] Ideographs =
    [
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    ];

    // Characters with case that are neither upper-, lower- nor title-case letters (Other_Uppercase and Other_Lowercase, as far as not case-ignorable).
    private static readonly (int First, int Last)[] OtherCased =
        [(0xAA, 0xAA), (0xBA, 0xBA), (0x2160, 0x217F), (0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)];

    // Marks inside words (Word_Break MidLetter, MidNumLet, Single_Quote), which the final-sigma rule looks through.
    private const string InnerMarks = "'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";

    /// <summary>The words of the text, one space between. Unpaired surrogates go as well.</summary>
    public static string Clean(string text)
    {
        var kept = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
        {
            var whole = Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var used) == System.Buffers.OperationStatus.Done;
            i += used;
            if (whole)
                Keep(rune, kept);
        }

        var words = CanonicalComposition.Apply(kept.ToString()).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Select(Lower));
    }

    private static void Keep(Rune rune, StringBuilder kept)
    {
        var category = Rune.GetUnicodeCategory(rune);
        if (rune.Value is '\t' or '\n' or '\r' || category == UnicodeCategory.SpaceSeparator)
            kept.Append(' ');
        else if (rune.Value is 0xFFFD || IsOther(category))
            return;
        else if (Within(rune.Value, Ideographs))
            kept.Append(' ').Append(rune.ToString()).Append(' ');
        else
            kept.Append(rune.ToString());
    }

    private static bool IsOther(UnicodeCategory category) => category
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned;

    /// <summary>Full lower case of one word, without regard to language.</summary>
    private static string Lower(string word)
    {
        if (Ascii.IsValid(word))
            return word.ToLowerInvariant();
        var runes = word.EnumerateRunes().ToArray();
        var lower = new StringBuilder(word.Length + 1);
        for (var i = 0; i < runes.Length; i++)
        {
            switch (runes[i].Value)
            {
                case CapitalSigma:
                    lower.Append((char)(EndsWord(runes, i) ? FinalSigma : SmallSigma));
                    break;
                case CapitalDottedI:
                    lower.Append("i\u0307");
                    break;
                default:
                    lower.Append(Rune.ToLowerInvariant(runes[i]).ToString());
                    break;
            }
        }

        return lower.ToString();
    }

    /// <summary>Unicode's Final_Sigma: a letter with case stands before it and none after, marks between not counted.</summary>
    private static bool EndsWord(Rune[] runes, int at)
    {
        var before = at - 1;
        while (before >= 0 && IsCaseIgnorable(runes[before]))
            before--;
        if (before < 0 || !IsCased(runes[before]))
            return false;
        var after = at + 1;
        while (after < runes.Length && IsCaseIgnorable(runes[after]))
            after++;
        return after == runes.Length || !IsCased(runes[after]);
    }

    private static bool IsCased(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        || Within(rune.Value, OtherCased);

    private static bool IsCaseIgnorable(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || (rune.IsBmp && InnerMarks.Contains((char)rune.Value, StringComparison.Ordinal));

    private static bool Within(int point, (int First, int Last)[] ranges)
    {
        foreach (var (first, last) in ranges)
        {
            if (point >= first && point <= last)
                return true;
        }

        return false;
    }
}
