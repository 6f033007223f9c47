using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Mesh.Tokenizers.Tests;

/// <summary>Behaviour of the tokenizer package that the CLIP tokenizer stands on.</summary>
public sealed class BpeTokenizerTests
{
    private const string Suffix = "</w>";

    [Fact]
    public void EncodeToIds_LowestRankFirst_MergesInRankOrder()
    {
        var tokenizer = Create(["a b", "b c" + Suffix], ["a", "b", "c" + Suffix, "ab", "bc" + Suffix]);

        // "a b" ranks before "b c", so "c" is left alone.
        Tokens(tokenizer, "abc").ShouldBe(["ab", "c" + Suffix]);
    }

    [Fact]
    public void EncodeToIds_BetterRankLater_WinsOverLeftmost()
    {
        var tokenizer = Create(["b c" + Suffix, "a b"], ["a", "b", "c" + Suffix, "ab", "bc" + Suffix]);

        Tokens(tokenizer, "abc").ShouldBe(["a", "bc" + Suffix]);
    }

    [Fact]
    public void EncodeToIds_RepeatedSymbol_MergesFromTheLeftWithoutOverlap()
    {
        var tokenizer = Create(["a a"], ["a", "a" + Suffix, "aa"]);

        Tokens(tokenizer, "aaaa").ShouldBe(["aa", "a", "a" + Suffix]);
        Tokens(tokenizer, "aaaaa").ShouldBe(["aa", "aa", "a" + Suffix]);
    }

    [Fact]
    public void EncodeToIds_MergedTokenMergesAgain_ReachesLongestToken()
    {
        var tokenizer = Create(["a b", "ab ab", "abab c" + Suffix], ["a", "b", "c" + Suffix, "ab", "abab", "ababc" + Suffix]);

        Tokens(tokenizer, "ababc").ShouldBe(["ababc" + Suffix]);
    }

    [Fact]
    public void EncodeToIds_ByteLevel_SpellsBytesAsPrintableSymbols()
    {
        // U+00E9 is C3 A9: both bytes stand for the Latin-1 characters of the same code. U+1F642 is F0 9F 99 82: F0 for itself, the others moved.
        var tokenizer = Create([], ["Ã", "©" + Suffix, "ð", "Ł", "Ļ", "Ĥ" + Suffix, "Ġ", "x" + Suffix]);

        Tokens(tokenizer, "é").ShouldBe(["Ã", "©" + Suffix]);
        Tokens(tokenizer, "🙂").ShouldBe(["ð", "Ł", "Ļ", "Ĥ" + Suffix]);
        Tokens(tokenizer, " x").ShouldBe(["Ġ", "x" + Suffix]);
    }

    [Fact]
    public void EncodeToIds_SymbolOutsideVocabulary_BecomesUnknownToken()
    {
        var vocabulary = new Dictionary<string, int> { ["a"] = 0, ["a" + Suffix] = 1, ["<unk>"] = 2 };
        var tokenizer = BpeTokenizer.Create(new BpeOptions(vocabulary) { EndOfWordSuffix = Suffix, ByteLevel = true, UnknownToken = "<unk>" });

        tokenizer.EncodeToIds("aza", false, false).ShouldBe([0, 2, 1]);
        tokenizer.EncodeToIds("azza", false, false).ShouldBe([0, 2, 2, 1]);
    }

    [Fact]
    public void EncodeToIds_FusedUnknowns_BecomeOneToken()
    {
        var vocabulary = new Dictionary<string, int> { ["a"] = 0, ["<unk>"] = 2 };
        var tokenizer = BpeTokenizer.Create(new BpeOptions(vocabulary) { UnknownToken = "<unk>", FuseUnknownTokens = true });

        tokenizer.EncodeToIds("azza", false, false).ShouldBe([0, 2, 0]);
    }

    [Fact]
    public void EncodeToIds_WithPreTokenizer_EncodesEachPieceAndDropsTheRest()
    {
        var tokenizer = Create(["a b" + Suffix], ["a", "b", "a" + Suffix, "b" + Suffix, "ab" + Suffix]);

        tokenizer.EncodeToIds("ab  a").ShouldBe([4, 2]);
    }

    [Fact]
    public void EncodeToIds_SpecialToken_IsOnePieceWithItsOwnId()
    {
        var special = new Dictionary<string, int> { ["<|end|>"] = 9 };
        var tokenizer = BpeTokenizer.Create(new BpeOptions(new Dictionary<string, int> { ["a" + Suffix] = 0, ["<|end|>"] = 9 })
        {
            EndOfWordSuffix = Suffix,
            ByteLevel = true,
            SpecialTokens = special,
            PreTokenizer = new RegexPreTokenizer(new Regex(@"\S"), special),
        });

        tokenizer.EncodeToIds("a<|end|>a").ShouldBe([0, 9, 0]);
        tokenizer.SpecialTokens.ShouldNotBeNull()["<|end|>"].ShouldBe(9);
    }

    [Fact]
    public void EncodeToIds_SpanAndString_Agree()
    {
        var tokenizer = Create(["a b" + Suffix], ["a", "b", "a" + Suffix, "b" + Suffix, "ab" + Suffix]);

        tokenizer.EncodeToIds("ba ab".AsSpan()).ShouldBe(tokenizer.EncodeToIds("ba ab"));
        tokenizer.CountTokens("ba ab").ShouldBe(3);
    }

    [Fact]
    public void EncodeToIds_MaxTokenCount_StopsAndTellsWhere()
    {
        var tokenizer = Create([], ["a", "b", "a" + Suffix, "b" + Suffix]);

        tokenizer.EncodeToIds("aab ab", 2, out _, out var consumed).ShouldBe([0, 0]);
        consumed.ShouldBe(2);
    }

    [Fact]
    public void EncodeToIds_Normalizer_IsAppliedUnlessSwitchedOff()
    {
        var tokenizer = BpeTokenizer.Create(new BpeOptions(new Dictionary<string, int> { ["a"] = 0, ["A"] = 1 }) { Normalizer = LowerCaseNormalizer.Instance });

        tokenizer.EncodeToIds("A").ShouldBe([0]);
        tokenizer.EncodeToIds("A", considerNormalization: false).ShouldBe([1]);
    }

    [Fact]
    public void EncodeToIds_Empty_IsEmpty() => Create([], ["a"]).EncodeToIds("").ShouldBeEmpty();

    [Fact]
    public void EncodeToTokens_TwoPieces_GivesValuesAndOffsets()
    {
        var tokenizer = Create(["a b" + Suffix], ["a", "b", "a" + Suffix, "b" + Suffix, "ab" + Suffix]);

        var tokens = tokenizer.EncodeToTokens("ba ab", out var normalized);

        normalized.ShouldBeNull();
        tokens.Select(t => t.Value).ShouldBe(["b", "a" + Suffix, "ab" + Suffix]);
        tokens.Select(t => t.Offset).ShouldBe([0..1, 1..2, 3..5]);
    }

    [Fact]
    public void Decode_ByteLevel_RestoresText()
    {
        var tokenizer = Create([], ["Ã", "©" + Suffix, "x" + Suffix]);

        tokenizer.Decode([0, 1]).ShouldBe("é");
    }

    [Fact]
    public void Create_FromStreams_SkipsTheVersionLine()
    {
        using var vocabulary = Utf8("""{"a":0,"b</w>":1,"ab</w>":2}""");
        using var merges = Utf8("#version: 0.2\na b</w>\n");

        var tokenizer = BpeTokenizer.Create(vocabulary, merges, endOfWordSuffix: Suffix);

        tokenizer.EncodeToIds("ab").ShouldBe([2]);
        tokenizer.EndOfWordSuffix.ShouldBe(Suffix);
    }

    [Fact]
    public void Create_MergeOutsideVocabulary_Throws() =>
        Should.Throw<InvalidOperationException>(() => Create(["a z"], ["a"])).Message.ShouldContain("z");

    [Fact]
    public void Create_MalformedMerge_Throws() => Should.Throw<InvalidOperationException>(() => Create(["ab"], ["a"]));

    [Fact]
    public void Create_UnknownTokenOutsideVocabulary_Throws() => Should.Throw<InvalidOperationException>(
        () => BpeTokenizer.Create(new BpeOptions(new Dictionary<string, int> { ["a"] = 0 }) { UnknownToken = "<unk>" }));

    [Fact]
    public void Create_EmptyVocabulary_Throws() =>
        Should.Throw<InvalidOperationException>(() => BpeTokenizer.Create(new BpeOptions(new Dictionary<string, int>())));

    [Fact]
    public void EncodeToIds_LongWord_TakesAboutLinearWork()
    {
        var tokenizer = Create(["a a", "aa aa"], ["a", "a" + Suffix, "aa", "aaaa"]);

        var ids = tokenizer.EncodeToIds(new string('a', 100_001), false, false);

        ids.Count.ShouldBe(25_001);
        ids[^1].ShouldBe(1);
    }

    private static BpeTokenizer Create(string[] merges, string[] tokens) => BpeTokenizer.Create(
        new BpeOptions(tokens.Select((token, id) => KeyValuePair.Create(token, id))) { Merges = merges, EndOfWordSuffix = Suffix, ByteLevel = true });

    private static string[] Tokens(BpeTokenizer tokenizer, string piece)
    {
        var names = tokenizer.Vocabulary.ToDictionary(p => p.Value, p => p.Key);
        return tokenizer.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false).Select(id => names[id]).ToArray();
    }

    private static MemoryStream Utf8(string text) => new(Encoding.UTF8.GetBytes(text));
}
