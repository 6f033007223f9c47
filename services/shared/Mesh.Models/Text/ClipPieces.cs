using System.Globalization;
using System.Text;

namespace Mesh.Models.Text;

/// <summary>
/// Splits cleaned text into the pieces that CLIP encodes each by itself: the two markers, English contractions, runs of letters, single digits,
/// runs of anything else that is not white space. Classes are those of whole characters, which a regular expression over UTF-16 cannot see.
/// </summary>
internal static class ClipPieces
{
    public const string StartMarker = "<|startoftext|>";
    public const string EndMarker = "<|endoftext|>";

    private static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    /// <summary>The pieces in order.</summary>
    public static IEnumerable<Range> Split(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var length = Length(text.AsSpan(i));
            if (length == 0)
            {
                i++;
                continue;
            }

            yield return i..(i + length);
            i += length;
        }
    }

    /// <summary>Length of the piece at the start of the text; 0 where white space stands there.</summary>
    private static int Length(ReadOnlySpan<char> text)
    {
        if (StartsWith(text, StartMarker))
            return StartMarker.Length;
        if (StartsWith(text, EndMarker))
            return EndMarker.Length;
        foreach (var contraction in Contractions)
        {
            if (StartsWith(text, contraction))
                return contraction.Length;
        }

        var kind = KindAt(text, out var length);
        if (kind == Kind.Space)
            return 0;
        if (kind == Kind.Number)
            return length;
        while (length < text.Length && KindAt(text[length..], out var next) == kind)
            length += next;
        return length;
    }

    /// <summary>Without regard to case; the text is lower case already, and the long s is the one other character that folds to a letter here.</summary>
    private static bool StartsWith(ReadOnlySpan<char> text, string prefix)
    {
        if (text.Length < prefix.Length)
            return false;
        for (var i = 0; i < prefix.Length; i++)
        {
            if (text[i] != prefix[i] && !(text[i] == '\u017F' && prefix[i] == 's'))
                return false;
        }

        return true;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, out int length)
    {
        Rune.DecodeFromUtf16(text, out var rune, out length);
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Rune.IsWhiteSpace(rune) ? Kind.Space : Kind.Other,
        };
    }

    private enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }
}
