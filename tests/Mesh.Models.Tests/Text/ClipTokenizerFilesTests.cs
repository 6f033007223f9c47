using Mesh.Models.Text;
using Mesh.Testing;

namespace Mesh.Models.Tests.Text;

public sealed class ClipTokenizerFilesTests
{
    private const string Vocabulary = """{"a":0,"b</w>":1,"ab</w>":2,"!":3,"<|startoftext|>":4,"<|endoftext|>":5}""";
    private const string Merges = "#version: 0.2\na b</w>\n";

    [Fact]
    public void Load_SpecialTokensMap_OverridesConfig()
    {
        using var folder = new TempFolder();
        WriteBoth(folder, Vocabulary, Merges);
        Write(folder, "tokenizer_config.json", """{"model_max_length":9,"pad_token":"<|endoftext|>"}""");
        Write(folder, "special_tokens_map.json", """{"pad_token":"!","bos_token":{"content":"<|startoftext|>","lstrip":false}}""");

        var tokenizer = ClipTokenizer.Load(folder.Path);

        tokenizer.EncodePadded("ab").ShouldBe([4, 2, 5, 3, 3, 3, 3, 3, 3]);
    }

    [Fact]
    public void Load_NoLengthAnywhere_TakesPositionsOrFails()
    {
        using var folder = new TempFolder();
        WriteBoth(folder, Vocabulary, Merges);

        ClipTokenizer.Load(folder.Path, new ClipTokenizerOptions(Positions: 12)).MaxLength.ShouldBe(12);
        Should.Throw<InvalidDataException>(() => ClipTokenizer.Load(folder.Path)).Message.ShouldContain("model_max_length");
    }

    [Fact]
    public void Load_UnboundedLength_CountsAsAbsent()
    {
        using var folder = new TempFolder();
        WriteBoth(folder, Vocabulary, Merges);
        Write(folder, "tokenizer_config.json", """{"model_max_length":1000000000000000019884624838656}""");

        ClipTokenizerFiles.Read(folder.Path).MaxLength.ShouldBeNull();
    }

    [Fact]
    public void Load_SymbolOutsideVocabulary_BecomesUnknown()
    {
        using var folder = new TempFolder();
        WriteBoth(folder, Vocabulary, Merges);

        ClipTokenizer.Load(folder.Path, new ClipTokenizerOptions(Positions: 9)).Encode("az").ShouldBe([4, 0, 5, 5]);
    }

    [Theory]
    [InlineData("[1]", Merges, "not an object")]
    [InlineData("{", Merges, "not JSON")]
    [InlineData("{}", Merges, "no tokens")]
    [InlineData("""{"a":1.5}""", Merges, "whole number")]
    [InlineData("""{"a":0,"b":0}""", Merges, "two tokens")]
    [InlineData(Vocabulary, "a b</w> c\n", "line 1")]
    [InlineData(Vocabulary, "a z\n", "'z'")]
    [InlineData(Vocabulary, "a b</w>\na b</w>\n", "twice")]
    [InlineData("""{"a":0}""", "", "<|startoftext|>")]
    public void Load_BadFile_NamesTheFault(string vocabulary, string merges, string fault)
    {
        using var folder = new TempFolder();
        WriteBoth(folder, vocabulary, merges);

        Should.Throw<InvalidDataException>(() => ClipTokenizer.Load(folder.Path, new ClipTokenizerOptions(Positions: 9))).Message.ShouldContain(fault);
    }

    [Fact]
    public void Load_MissingVocabulary_NamesTheFile()
    {
        using var folder = new TempFolder();

        Should.Throw<FileNotFoundException>(() => ClipTokenizer.Load(folder.Path)).Message.ShouldContain("vocab.json");
    }

    [Fact]
    public void Hash_SameFiles_IsEqual_OtherPad_Differs()
    {
        using var one = new TempFolder();
        using var two = new TempFolder();
        WriteBoth(one, Vocabulary, Merges);
        WriteBoth(two, Vocabulary, Merges);
        var before = ClipTokenizerFiles.Read(two.Path).Hash;

        ClipTokenizerFiles.Read(one.Path).Hash.ShouldBe(before);
        Write(two, "special_tokens_map.json", """{"pad_token":"!"}""");
        ClipTokenizerFiles.Read(two.Path).Hash.ShouldNotBe(before);
    }

    private static void WriteBoth(TempFolder folder, string vocabulary, string merges)
    {
        Write(folder, "vocab.json", vocabulary);
        Write(folder, "merges.txt", merges);
    }

    private static void Write(TempFolder folder, string name, string text) => File.WriteAllText(folder.File(name), text);
}
