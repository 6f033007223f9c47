using System.Text.RegularExpressions;

namespace Microsoft.ML.Tokenizers;

/// <summary>Splits a text into pieces that are encoded each by itself; what no piece covers is dropped.</summary>
public abstract partial class PreTokenizer
{
    private static RegexPreTokenizer? _whiteSpace;
    private static RegexPreTokenizer? _wordOrPunctuation;
    private static RegexPreTokenizer? _wordOrNonWord;

    protected PreTokenizer()
    {
    }

    /// <summary>Offset and length of each piece, in order.</summary>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(string text);

    /// <summary>Offset and length of each piece, in order.</summary>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text);

    /// <summary>Pieces are the runs between white space.</summary>
    public static PreTokenizer CreateWhiteSpace(IReadOnlyDictionary<string, int>? specialTokens = default)
        => Create(ref _whiteSpace, WhiteSpace(), specialTokens);

    /// <summary>Pieces are words, and punctuation marks one by one.</summary>
    public static PreTokenizer CreateWordOrPunctuation(IReadOnlyDictionary<string, int>? specialTokens = default)
        => Create(ref _wordOrPunctuation, WordOrPunctuation(), specialTokens);

    /// <summary>Pieces are words, and runs of what is neither word nor white space.</summary>
    public static PreTokenizer CreateWordOrNonWord(IReadOnlyDictionary<string, int>? specialTokens = default)
        => Create(ref _wordOrNonWord, WordOrNonWord(), specialTokens);

    private static RegexPreTokenizer Create(ref RegexPreTokenizer? shared, Regex regex, IReadOnlyDictionary<string, int>? specialTokens) =>
        specialTokens is null ? shared ??= new RegexPreTokenizer(regex, null) : new RegexPreTokenizer(regex, specialTokens);

    [GeneratedRegex(@"\S+", RegexOptions.None, 30_000)]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"\w+|[\p{P}]", RegexOptions.None, 30_000)]
    private static partial Regex WordOrPunctuation();

    [GeneratedRegex(@"\w+|[^\w\s]+", RegexOptions.None, 30_000)]
    private static partial Regex WordOrNonWord();
}

/// <summary>Pieces are the matches of an expression, between special tokens, which are pieces of their own.</summary>
public sealed class RegexPreTokenizer : PreTokenizer
{
    private readonly Regex _regex;
    private readonly Regex? _special;

    public RegexPreTokenizer(Regex regex, IReadOnlyDictionary<string, int>? specialTokens)
    {
        ArgumentNullException.ThrowIfNull(regex);
        _regex = regex;
        if (specialTokens is { Count: > 0 })
            _special = new Regex(string.Join('|', specialTokens.Keys.Select(Regex.Escape)), RegexOptions.Compiled);
    }

    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) =>
        string.IsNullOrEmpty(text) ? [] : Split(text);

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) =>
        text.IsEmpty ? [] : Split(text.ToString());

    private List<(int Offset, int Length)> Split(string text)
    {
        var pieces = new List<(int, int)>();
        var begin = 0;
        if (_special is not null)
        {
            foreach (var special in _special.EnumerateMatches(text))
            {
                Between(begin, special.Index);
                pieces.Add((special.Index, special.Length));
                begin = special.Index + special.Length;
            }
        }

        Between(begin, text.Length);
        return pieces;

        void Between(int from, int to)
        {
            foreach (var match in _regex.EnumerateMatches(text.AsSpan(from, to - from)))
                pieces.Add((from + match.Index, match.Length));
        }
    }
}
