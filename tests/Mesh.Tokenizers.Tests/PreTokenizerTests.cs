using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Mesh.Tokenizers.Tests;

public sealed class PreTokenizerTests
{
    [Fact]
    public void PreTokenize_Regex_GivesMatchesInOrder() =>
        new RegexPreTokenizer(new Regex("[a-z]+|[0-9]"), null).PreTokenize("ab 12c").ShouldBe([(0, 2), (3, 1), (4, 1), (5, 1)]);

    [Fact]
    public void PreTokenize_SpecialTokens_SplitTheTextFirst() =>
        new RegexPreTokenizer(new Regex("[a-z|<>]+"), new Dictionary<string, int> { ["<|x|>"] = 1 })
            .PreTokenize("ab<|x|>c").ShouldBe([(0, 2), (2, 5), (7, 1)]);

    [Fact]
    public void PreTokenize_SpanAndString_Agree()
    {
        var splitter = new RegexPreTokenizer(new Regex(@"\w+"), null);

        splitter.PreTokenize("one two".AsSpan()).ShouldBe(splitter.PreTokenize("one two"));
    }

    [Fact]
    public void PreTokenize_Empty_IsEmpty() => PreTokenizer.CreateWhiteSpace().PreTokenize("").ShouldBeEmpty();

    [Fact]
    public void CreateWhiteSpace_Text_SplitsAtWhiteSpace() => PreTokenizer.CreateWhiteSpace().PreTokenize("a, b\tc").ShouldBe([(0, 2), (3, 1), (5, 1)]);

    [Fact]
    public void CreateWordOrPunctuation_Text_GivesMarksOneByOne() =>
        PreTokenizer.CreateWordOrPunctuation().PreTokenize("ab!?").ShouldBe([(0, 2), (2, 1), (3, 1)]);

    [Fact]
    public void CreateWordOrNonWord_Text_GivesRunsOfMarks() => PreTokenizer.CreateWordOrNonWord().PreTokenize("ab!? c").ShouldBe([(0, 2), (2, 2), (5, 1)]);

    [Fact]
    public void Normalize_Cases_AreInvariant()
    {
        LowerCaseNormalizer.Instance.Normalize("ÄB").ShouldBe("äb");
        UpperCaseNormalizer.Instance.Normalize("äb".AsSpan()).ShouldBe("ÄB");
    }
}
