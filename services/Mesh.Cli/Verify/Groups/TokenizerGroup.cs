using System.Text.Json;
using Mesh.Models.Text;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Token ids of texts, on the vocabulary that stands beside them; with the end token and with <c>!</c> as padding.</summary>
public sealed class TokenizerGroup : IGoldenGroup
{
    private const string EndPad = "<|endoftext|>";
    private const string BangPad = "!";

    /// <inheritdoc/>
    public string Name => "tokenizer";

    /// <inheritdoc/>
    public bool IsData(GoldenCase golden) => !golden.Has("vectors") && golden.Json.EnumerateObject().All(p => p.Value.ValueKind == JsonValueKind.Number);

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("ids", "ids_bang", "ids_hf", "ids_bang_hf", "why they differ", "padded", "unicode", "files");
        var padded = golden.Field("padded vectors").EnumerateArray().ToArray();
        var length = padded.SelectMany(v => v.EnumerateObject()).Where(p => p.Value.ValueKind == JsonValueKind.Array).Select(p => p.Value.GetArrayLength()).Distinct().Single();
        var files = ClipTokenizerFiles.Read(VocabularyFolder(golden)) with { MaxLength = length };
        var plain = ClipTokenizer.Create(files with { Pad = EndPad });
        var bang = ClipTokenizer.Create(files with { Pad = BangPad });

        var (wrong, wrongBang) = (new List<string>(), new List<string>());
        foreach (var vector in golden.Field("vectors").EnumerateArray())
        {
            vector.Only("vectors", "text", "ids", "ids_bang", "ids_hf", "ids_bang_hf");
            var text = vector.Text("text")!;
            var ids = vector.GetProperty("ids");
            Compare(text, plain.Encode(text), ids, wrong);
            Compare(text, bang.Encode(text), vector.TryGetProperty("ids_bang", out var other) ? other : ids, wrongBang);
        }

        yield return Differences("vectors", wrong);
        yield return Differences("vectors with ! as padding", wrongBang);
        var (wrongRows, wrongBangRows) = (new List<string>(), new List<string>());
        foreach (var row in padded)
        {
            var text = row.Text("text")!;
            row.Only("padded vectors", "text", $"pad_{plain.PadId}", $"pad_{bang.PadId}");
            Compare(text, plain.EncodePadded(text), row.GetProperty($"pad_{plain.PadId}"), wrongRows);
            Compare(text, bang.EncodePadded(text), row.GetProperty($"pad_{bang.PadId}"), wrongBangRows);
        }

        yield return Differences("padded vectors", wrongRows);
        yield return Differences("padded vectors with ! as padding", wrongBangRows);
    }

    /// <summary>The folder with the vocabulary: the case's own, else wherever in the golden folder a file of the stated size lies.</summary>
    private static string VocabularyFolder(GoldenCase golden)
    {
        var own = Path.Combine(golden.Root, golden.Group);
        if (File.Exists(Path.Combine(own, "vocab.json")))
            return own;
        var bytes = golden.Field("files").GetProperty("vocab.json").GetProperty("bytes").GetInt64();
        return Directory.EnumerateFiles(golden.Root, "vocab.json", SearchOption.AllDirectories).FirstOrDefault(f => new FileInfo(f).Length == bytes) is { } found
            ? Path.GetDirectoryName(found)!
            : throw new FormatException("the vocabulary is not in the golden folder");
    }

    private static void Compare(string text, int[] ids, JsonElement expected, List<string> wrong)
    {
        if (!expected.Longs().SequenceEqual(ids.Select(id => (long)id)))
            wrong.Add(text);
    }

    private static Check Differences(string what, List<string> wrong) => Check.Count(what, wrong.Count, note: wrong.FirstOrDefault());
}
