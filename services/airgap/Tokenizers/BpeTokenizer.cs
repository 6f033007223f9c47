using System.Collections.Concurrent;
using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>Byte-pair encoding: the symbols of a piece are merged pair by pair, the best-ranked pair first.</summary>
public sealed partial class BpeTokenizer : Tokenizer
{
    private const int LongestCached = 15;
    private const int MostCached = 10_000;

    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<int, string> _tokens = [];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Merged)> _merges = [];
    private readonly Dictionary<int, string> _specialTexts = [];
    private readonly ConcurrentDictionary<string, Symbol[]> _cache = new();
    private readonly int _unknown = -1;
    private readonly int _begin = -1;
    private readonly int _end = -1;
    private readonly string? _endToken;

    private BpeTokenizer(BpeOptions options)
    {
        _vocabulary = new Dictionary<string, int>(options.Vocabulary, StringComparer.Ordinal);
        if (_vocabulary.Count == 0)
            throw new InvalidOperationException("The vocabulary cannot be empty.");
        foreach (var (token, id) in _vocabulary)
            _tokens.Add(id, token);

        Normalizer = options.Normalizer;
        PreTokenizer = options.PreTokenizer ?? PreTokenizer.CreateWordOrNonWord();
        SpecialTokens = options.SpecialTokens;
        foreach (var (token, id) in SpecialTokens ?? new Dictionary<string, int>())
            _specialTexts.Add(id, token);

        FuseUnknownTokens = options.FuseUnknownTokens;
        ContinuingSubwordPrefix = options.ContinuingSubwordPrefix;
        EndOfWordSuffix = options.EndOfWordSuffix;
        ByteLevel = options.ByteLevel;
        UnknownToken = options.UnknownToken;
        BeginningOfSentenceToken = options.BeginningOfSentenceToken;
        _endToken = options.EndOfSentenceToken;
        if (UnknownToken is not null && !_vocabulary.TryGetValue(UnknownToken, out _unknown))
            throw new InvalidOperationException($"Unknown token '{UnknownToken}' is not in the vocabulary.");
        _begin = Sentence(BeginningOfSentenceToken);
        _end = Sentence(_endToken);
        AddMerges(options.Merges ?? []);
    }

    public override Normalizer? Normalizer { get; }

    public override PreTokenizer? PreTokenizer { get; }

    public IReadOnlyDictionary<string, int>? SpecialTokens { get; }

    public IReadOnlyDictionary<string, int> Vocabulary => _vocabulary;

    public string? UnknownToken { get; }

    public bool FuseUnknownTokens { get; }

    public string? ContinuingSubwordPrefix { get; }

    public string? EndOfWordSuffix { get; }

    public bool ByteLevel { get; }

    public string? BeginningOfSentenceToken { get; }

    public static BpeTokenizer Create(BpeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new BpeTokenizer(options);
    }

    public static BpeTokenizer Create(string vocabFile, string? mergesFile) => Create(vocabFile, mergesFile, preTokenizer: null);

    public static BpeTokenizer Create(
        string vocabFile,
        string? mergesFile,
        PreTokenizer? preTokenizer = default,
        Normalizer? normalizer = default,
        IReadOnlyDictionary<string, int>? specialTokens = default,
        string? unknownToken = default,
        string? continuingSubwordPrefix = default,
        string? endOfWordSuffix = default,
        bool fuseUnknownTokens = false)
    {
        ArgumentNullException.ThrowIfNull(vocabFile);
        using var vocabulary = File.OpenRead(vocabFile);
        using var merges = mergesFile is null ? null : File.OpenRead(mergesFile);
        return Create(
            vocabulary, merges, preTokenizer, normalizer, specialTokens, unknownToken, continuingSubwordPrefix, endOfWordSuffix, fuseUnknownTokens);
    }

    public static BpeTokenizer Create(Stream vocabStream, Stream? mergesStream) => Create(vocabStream, mergesStream, preTokenizer: null);

    public static BpeTokenizer Create(
        Stream vocabStream,
        Stream? mergesStream,
        PreTokenizer? preTokenizer = default,
        Normalizer? normalizer = default,
        IReadOnlyDictionary<string, int>? specialTokens = default,
        string? unknownToken = default,
        string? continuingSubwordPrefix = default,
        string? endOfWordSuffix = default,
        bool fuseUnknownTokens = false)
    {
        ArgumentNullException.ThrowIfNull(vocabStream);
        return new BpeTokenizer(new BpeOptions(BpeFiles.ReadVocabulary(vocabStream))
        {
            Merges = BpeFiles.ReadMerges(mergesStream),
            PreTokenizer = preTokenizer,
            Normalizer = normalizer,
            SpecialTokens = specialTokens,
            UnknownToken = unknownToken,
            ContinuingSubwordPrefix = continuingSubwordPrefix,
            EndOfWordSuffix = endOfWordSuffix,
            FuseUnknownTokens = fuseUnknownTokens,
        });
    }

    public override string Decode(IEnumerable<int> ids) => Decode(ids, considerSpecialTokens: true);

    public string Decode(IEnumerable<int> ids, bool considerSpecialTokens)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return ByteLevel ? DecodeBytes(ids, considerSpecialTokens) : DecodeCharacters(ids, considerSpecialTokens);
    }

    private string DecodeBytes(IEnumerable<int> ids, bool considerSpecialTokens)
    {
        var bytes = new List<byte>();
        foreach (var id in ids)
        {
            if (_specialTexts.TryGetValue(id, out var special))
            {
                if (considerSpecialTokens)
                    bytes.AddRange(Encoding.UTF8.GetBytes(special));
            }
            else if (_tokens.TryGetValue(id, out var token))
            {
                ByteSymbols.Decode(Bare(token), bytes);
            }
        }

        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    private string DecodeCharacters(IEnumerable<int> ids, bool considerSpecialTokens)
    {
        var text = new StringBuilder();
        foreach (var id in ids)
        {
            var special = _specialTexts.TryGetValue(id, out var token) || (id == _unknown && (token = UnknownToken) is not null);
            if (special ? considerSpecialTokens : _tokens.TryGetValue(id, out token))
                text.Append(token);
        }

        var result = text.ToString();
        if (!string.IsNullOrEmpty(EndOfWordSuffix))
        {
            if (result.EndsWith(EndOfWordSuffix, StringComparison.Ordinal))
                result = result[..^EndOfWordSuffix.Length];
            result = result.Replace(EndOfWordSuffix, " ", StringComparison.Ordinal);
        }

        return string.IsNullOrEmpty(ContinuingSubwordPrefix) ? result : result.Replace(ContinuingSubwordPrefix, "", StringComparison.Ordinal);
    }

    /// <summary>A token without the marks of where it stands in a word.</summary>
    private ReadOnlySpan<char> Bare(string token)
    {
        var bare = token.AsSpan();
        if (EndOfWordSuffix is not null && bare.EndsWith(EndOfWordSuffix, StringComparison.Ordinal))
            bare = bare[..^EndOfWordSuffix.Length];
        if (ContinuingSubwordPrefix is not null && bare.StartsWith(ContinuingSubwordPrefix, StringComparison.Ordinal))
            bare = bare[ContinuingSubwordPrefix.Length..];
        return bare;
    }

    private int Sentence(string? token)
    {
        if (token is null)
            return -1;
        if (_vocabulary.TryGetValue(token, out var id) || SpecialTokens?.TryGetValue(token, out id) == true)
            return id;
        throw new InvalidOperationException($"The sentence token '{token}' is not in the vocabulary.");
    }

    private void AddMerges(IEnumerable<string> merges)
    {
        var prefix = ContinuingSubwordPrefix?.Length ?? 0;
        var rank = 0;
        foreach (var merge in merges)
        {
            var space = merge.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0 || space == merge.Length - 1 || merge.IndexOf(' ', space + 1) >= 0)
                throw new InvalidOperationException($"Merge {rank + 1} is not two tokens with one space between.");
            var (left, right) = (merge[..space], merge[(space + 1)..]);
            if (right.Length <= prefix)
                throw new InvalidOperationException($"Merge {rank + 1}: '{right}' is too short for the prefix.");
            _merges.Add((Known(left), Known(right)), (rank++, Known(left + right[prefix..])));
        }

        int Known(string token) => _vocabulary.TryGetValue(token, out var id)
            ? id
            : throw new InvalidOperationException($"Merge {rank + 1} names '{token}', which is not in the vocabulary.");
    }
}
