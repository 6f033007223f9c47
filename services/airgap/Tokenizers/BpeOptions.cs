using System.Text.Json;

namespace Microsoft.ML.Tokenizers;

/// <summary>What a <see cref="BpeTokenizer"/> is made of.</summary>
public sealed class BpeOptions
{
    public BpeOptions(IEnumerable<KeyValuePair<string, int>> vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Vocabulary = vocabulary;
    }

    public BpeOptions(string vocabFile, string? mergesFile = default)
    {
        ArgumentNullException.ThrowIfNull(vocabFile);
        if (!File.Exists(vocabFile))
            throw new ArgumentException($"Could not find the vocabulary file '{vocabFile}'.");
        using (var vocabulary = File.OpenRead(vocabFile))
            Vocabulary = BpeFiles.ReadVocabulary(vocabulary);
        if (mergesFile is null)
            return;
        if (!File.Exists(mergesFile))
            throw new ArgumentException($"Could not find the merges file '{mergesFile}'.");
        using var merges = File.OpenRead(mergesFile);
        Merges = BpeFiles.ReadMerges(merges);
    }

    public IEnumerable<KeyValuePair<string, int>> Vocabulary { get; }

    /// <summary>Pairs, best first, each two tokens with one space between.</summary>
    public IEnumerable<string>? Merges { get; set; }

    public IReadOnlyDictionary<string, int>? SpecialTokens { get; set; }

    public Normalizer? Normalizer { get; set; }

    public PreTokenizer? PreTokenizer { get; set; }

    public string? UnknownToken { get; set; }

    public bool FuseUnknownTokens { get; set; }

    public string? ContinuingSubwordPrefix { get; set; }

    public string? EndOfWordSuffix { get; set; }

    /// <summary>Whether a piece becomes UTF-8 bytes, each with its own printable symbol, before it is merged.</summary>
    public bool ByteLevel { get; set; }

    public string? BeginningOfSentenceToken { get; set; }

    public string? EndOfSentenceToken { get; set; }
}

/// <summary>The two files of a byte-pair vocabulary.</summary>
internal static class BpeFiles
{
    public static Dictionary<string, int> ReadVocabulary(Stream stream) =>
        JsonSerializer.Deserialize<Dictionary<string, int>>(stream) ?? throw new InvalidOperationException("The vocabulary holds no object.");

    public static List<string> ReadMerges(Stream? stream)
    {
        var merges = new List<string>();
        if (stream is null)
            return merges;
        using var reader = new StreamReader(stream, leaveOpen: true);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
                merges.Add(line);
        }

        return merges;
    }
}
