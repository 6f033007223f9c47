using System.Text.Json;
using Mesh.Models.Text;
using Mesh.Testing;

namespace Mesh.Models.Tests.Text;

/// <summary>Ids that the reference's original tokenizer gives, on the public vocabulary of SD1.5, SD2 and SDXL.</summary>
public sealed class ClipTokenizerTests
{
    private static readonly string Folder = Repository.PathOf("tests", "goldens", "tokenizer");
    private static readonly ClipTokenizerFiles Files = ClipTokenizerFiles.Read(Folder) with { MaxLength = 77 };
    private static readonly ClipTokenizer Plain = ClipTokenizer.Create(Files);
    private static readonly ClipTokenizer Bang = ClipTokenizer.Create(Files with { Pad = "!" });

    [Fact]
    public void Encode_GoldenTexts_GivesReferenceIds()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "vectors.json")));
        var wrong = new List<string>();
        foreach (var vector in golden.RootElement.GetProperty("vectors").EnumerateArray())
        {
            var text = vector.GetProperty("text").GetString()!;
            var ids = Ids(vector, "ids");
            var bang = vector.TryGetProperty("ids_bang", out _) ? Ids(vector, "ids_bang") : ids;
            if (!Plain.Encode(text).SequenceEqual(ids))
                wrong.Add($"{text} -> {string.Join(' ', Plain.Encode(text))}, not {string.Join(' ', ids)}");
            if (!Bang.Encode(text).SequenceEqual(bang))
                wrong.Add($"with ! as padding: {text} -> {string.Join(' ', Bang.Encode(text))}, not {string.Join(' ', bang)}");
        }

        wrong.ShouldBeEmpty();
    }

    [Fact]
    public void EncodePadded_GoldenTexts_GivesReferenceRows()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "vectors.json")));
        foreach (var vector in golden.RootElement.GetProperty("padded vectors").EnumerateArray())
        {
            var text = vector.GetProperty("text").GetString()!;
            Plain.EncodePadded(text).ShouldBe(Ids(vector, "pad_49407"), text);
            Bang.EncodePadded(text).ShouldBe(Ids(vector, "pad_0"), text);
        }
    }

    [Theory]
    [InlineData("a photo of a cat", new[] { 49406, 320, 1125, 539, 320, 2368, 49407 })]
    [InlineData("", new[] { 49406, 49407 })]
    [InlineData("日本語", new[] { 49406, 37156, 19277, 361, 34002, 508, 49407 })]
    [InlineData("🙂 emoji", new[] { 49406, 14860, 16327, 49407 })]
    public void Encode_KnownText_GivesKnownIds(string text, int[] ids) => Plain.Encode(text).ShouldBe(ids);

    [Fact]
    public void Encode_BangNotSpecial_IsOrdinaryText()
    {
        var tokenizer = ClipTokenizer.Create(Files with { Pad = "!" }, new ClipTokenizerOptions(PadIsSpecial: false));

        tokenizer.Encode("! !! !!!").ShouldBe([49406, 256, 748, 995, 49407]);
        tokenizer.PadId.ShouldBe(0);
    }

    [Fact]
    public void Encode_UnpairedSurrogates_AreDropped() => Plain.Encode("a\uD800 cat\uDC00").ShouldBe(Plain.Encode("a cat"));

    [Fact]
    public void Encode_AddedToken_HasItsOwnId()
    {
        var tokenizer = ClipTokenizer.Create(Files with { Added = new Dictionary<string, int> { ["<toy>"] = 49408, ["<toy>x"] = 49409 } });

        tokenizer.Encode("a <toy> <toy>x").ShouldBe([49406, 320, 49408, 49409, 49407]);
        tokenizer.VocabularySize.ShouldBe(49410);
    }

    [Fact]
    public void EncodePadded_LongText_IsCutBeforeTheEnd()
    {
        var row = Plain.EncodePadded(string.Concat(Enumerable.Repeat("word ", 200)));

        row.Length.ShouldBe(77);
        row[76].ShouldBe(49407);
        row[75].ShouldBe(row[1]);
        Plain.IsCut(string.Concat(Enumerable.Repeat("word ", 75))).ShouldBeFalse();
        Plain.IsCut(string.Concat(Enumerable.Repeat("word ", 76))).ShouldBeTrue();
    }

    [Fact]
    public void Encode_HugeText_EndsInGoodTime() => Plain.EncodePadded(new string('a', 1_000_000) + new string('\u0301', 100_000)).Length.ShouldBe(77);

    private static int[] Ids(JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];
}
