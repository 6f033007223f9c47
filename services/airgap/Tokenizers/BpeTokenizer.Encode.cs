namespace Microsoft.ML.Tokenizers;

public sealed partial class BpeTokenizer
{
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        if (string.IsNullOrEmpty(text) && textSpan.IsEmpty)
            return new EncodeResults<EncodedToken> { Tokens = [] };
        var (whole, normalized, pieces) = Prepare(text, textSpan, settings);
        var tokens = new List<EncodedToken>();
        if (BeginningOfSentenceToken is not null)
            tokens.Add(new EncodedToken(_begin, BeginningOfSentenceToken, new Range(0, 0)));
        foreach (var (offset, length) in pieces)
            AddTokens(whole.AsSpan(offset, length), offset, tokens);
        if (_endToken is not null)
            tokens.Add(new EncodedToken(_end, _endToken, new Range(whole.Length, whole.Length)));
        return new EncodeResults<EncodedToken> { Tokens = tokens, NormalizedText = normalized, CharsConsumed = whole.Length };
    }

    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var most = settings.MaxTokenCount;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most, nameof(settings));
        if (string.IsNullOrEmpty(text) && textSpan.IsEmpty)
            return new EncodeResults<int> { Tokens = [] };
        var (whole, normalized, pieces) = Prepare(text, textSpan, settings);
        var ids = new List<int>();
        if (_begin >= 0)
            ids.Add(_begin);
        var consumed = 0;
        foreach (var (offset, length) in pieces)
        {
            var taken = AddIds(whole.AsSpan(offset, length), most, ids);
            consumed = offset + taken;
            if (taken < length || ids.Count >= most)
                break;
        }

        if (_end >= 0 && ids.Count < most)
            ids.Add(_end);
        return new EncodeResults<int> { Tokens = ids, NormalizedText = normalized, CharsConsumed = consumed };
    }

    /// <summary>The text to encode, the normalised text (null without a normaliser), and the pieces to encode each by itself.</summary>
    private (string Whole, string? Normalized, IEnumerable<(int Offset, int Length)> Pieces) Prepare(
        string? text, ReadOnlySpan<char> span, EncodeSettings settings)
    {
        var whole = text ?? span.ToString();
        string? normalized = null;
        if (settings.ConsiderNormalization && Normalizer is not null)
            whole = normalized = Normalizer.Normalize(whole);
        return (whole, normalized, settings.ConsiderPreTokenization ? PreTokenizer!.PreTokenize(whole) : [(0, whole.Length)]);
    }

    private void AddTokens(ReadOnlySpan<char> piece, int offset, List<EncodedToken> tokens)
    {
        if (SpecialTokens is not null && SpecialTokens.TryGetValue(piece.ToString(), out var special))
        {
            tokens.Add(new EncodedToken(special, piece.ToString(), new Range(offset, offset + piece.Length)));
            return;
        }

        var (symbols, source) = Symbols(piece);
        var at = 0;
        foreach (var symbol in Merged(symbols))
        {
            tokens.Add(new EncodedToken(symbol.Id, _tokens[symbol.Id], new Range(offset + Source(at), offset + Source(at + symbol.Length))));
            at += symbol.Length;
        }

        int Source(int index) => source is null ? index : index < source.Count ? source[index] : source[^1] + 1;
    }

    /// <summary>Adds the ids of one piece, at most as many as fit; the number of characters that they stand for.</summary>
    private int AddIds(ReadOnlySpan<char> piece, int most, List<int> ids)
    {
        if (SpecialTokens is not null && ids.Count < most && SpecialTokens.TryGetValue(piece.ToString(), out var special))
        {
            ids.Add(special);
            return piece.Length;
        }

        var (symbols, source) = Symbols(piece);
        var at = 0;
        foreach (var symbol in Merged(symbols))
        {
            if (ids.Count >= most)
                return source is null ? at : source[at];
            ids.Add(symbol.Id);
            at += symbol.Length;
        }

        return piece.Length;
    }

    private (string Symbols, List<int>? Source) Symbols(ReadOnlySpan<char> piece)
    {
        if (!ByteLevel)
            return (piece.ToString(), null);
        var source = new List<int>(piece.Length);
        return (ByteSymbols.Encode(piece, source), source);
    }

    private Symbol[] Merged(string word)
    {
        if (_cache.TryGetValue(word, out var known))
            return known;
        var symbols = Merge(Split(word));
        if (word.Length <= LongestCached && _cache.Count < MostCached)
            _cache[word] = symbols;
        return symbols;
    }

    /// <summary>The first symbols of a word: one a character, marked as the prefix and the suffix say; what is unknown and has no token is left out.</summary>
    private List<Symbol> Split(string word)
    {
        var symbols = new List<Symbol>(word.Length);
        var afterUnknown = false;
        for (var i = 0; i < word.Length;)
        {
            var length = char.IsSurrogatePair(word, i) ? 2 : 1;
            var text = string.Concat(
                i > 0 ? ContinuingSubwordPrefix : null, word.AsSpan(i, length), i + length >= word.Length ? EndOfWordSuffix : null);
            if (_vocabulary.TryGetValue(text, out var id))
            {
                symbols.Add(new Symbol(id, length));
                afterUnknown = false;
            }
            else if (_unknown >= 0)
            {
                if (afterUnknown && FuseUnknownTokens)
                    symbols[^1] = new Symbol(_unknown, symbols[^1].Length + length);
                else
                    symbols.Add(new Symbol(_unknown, length));
                afterUnknown = true;
            }

            i += length;
        }

        return symbols;
    }

    /// <summary>Merges adjacent symbols, the best rank first, leftmost first among equals, until no pair has a rank.</summary>
    private Symbol[] Merge(List<Symbol> symbols)
    {
        var count = symbols.Count;
        var (next, previous) = (new int[count], new int[count]);
        var queue = new PriorityQueue<(int At, int Merged), (int Rank, int At)>();
        for (var i = 0; i < count; i++)
            (next[i], previous[i]) = (i + 1, i - 1);
        for (var i = 0; i + 1 < count; i++)
            Offer(i);

        while (queue.TryDequeue(out var best, out _))
        {
            var (at, merged) = best;
            var right = next[at];

            // An entry is stale where one of its two symbols has been merged away since.
            if (symbols[at].Length == 0 || right >= count
                || !_merges.TryGetValue((symbols[at].Id, symbols[right].Id), out var pair) || pair.Merged != merged)
            {
                continue;
            }

            symbols[at] = new Symbol(merged, symbols[at].Length + symbols[right].Length);
            symbols[right] = default;
            next[at] = next[right];
            if (next[at] < count)
            {
                previous[next[at]] = at;
                Offer(at);
            }

            if (previous[at] >= 0)
                Offer(previous[at]);
        }

        return symbols.Where(symbol => symbol.Length > 0).ToArray();

        void Offer(int at)
        {
            if (_merges.TryGetValue((symbols[at].Id, symbols[next[at]].Id), out var pair))
                queue.Enqueue((at, pair.Merged), (pair.Rank, at));
        }
    }

    /// <summary>A token within a word, and how many of the word's characters it stands for.</summary>
    private readonly record struct Symbol(int Id, int Length);
}
