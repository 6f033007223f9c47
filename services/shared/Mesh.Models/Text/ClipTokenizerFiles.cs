using System.Security.Cryptography;
using System.Text.Json;

namespace Mesh.Models.Text;

/// <summary>What the files of a tokenizer folder say: vocabulary, merges, special tokens, length.</summary>
/// <param name="Vocabulary">Token -> id.</param>
/// <param name="Merges">Pairs, best first, each two tokens with one space between.</param>
/// <param name="Begin">The token before every text.</param>
/// <param name="End">The token after every text.</param>
/// <param name="Unknown">The token for symbols that are not in the vocabulary.</param>
/// <param name="Pad">The token that fills a row up.</param>
/// <param name="Added">Further tokens that are found in a text before anything else, with their ids.</param>
/// <param name="MaxLength">Ids in a padded row; null where the files do not say.</param>
/// <param name="Hash">SHA-256 (lower-case hex) over everything above, for cache keys.</param>
public sealed record ClipTokenizerFiles(
    IReadOnlyDictionary<string, int> Vocabulary,
    IReadOnlyList<string> Merges,
    string Begin,
    string End,
    string Unknown,
    string Pad,
    IReadOnlyDictionary<string, int> Added,
    int? MaxLength,
    string Hash)
{
    private const string DefaultBegin = "<|startoftext|>";
    private const string DefaultEnd = "<|endoftext|>";
    private const int LongestSensible = 1 << 20;

    /// <summary>Reads <c>vocab.json</c>, <c>merges.txt</c> and, where they are, <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>
    /// (which has the last word on special tokens) and <c>added_tokens.json</c>.</summary>
    /// <exception cref="InvalidDataException">A file is not what it should be; the message names it.</exception>
    /// <exception cref="FileNotFoundException">The vocabulary or the merges are missing.</exception>
    public static ClipTokenizerFiles Read(string folder)
    {
        var vocabulary = ReadVocabulary(Path.Combine(folder, "vocab.json"));
        var merges = ReadMerges(Path.Combine(folder, "merges.txt"), vocabulary);
        using var config = ReadOptional(Path.Combine(folder, "tokenizer_config.json"));
        using var map = ReadOptional(Path.Combine(folder, "special_tokens_map.json"));
        using var more = ReadOptional(Path.Combine(folder, "added_tokens.json"));
        var begin = Special("bos_token", DefaultBegin);
        var end = Special("eos_token", DefaultEnd);
        var unknown = Special("unk_token", DefaultEnd);
        var pad = Special("pad_token", DefaultEnd);
        var added = AddedTokens(config?.RootElement, more?.RootElement, folder);
        int? length = config is not null && config.RootElement.TryGetProperty("model_max_length", out var value)
            && value.TryGetDouble(out var number) && number is >= 1 and < LongestSensible ? (int)number : null;
        return new ClipTokenizerFiles(
            vocabulary, merges, begin, end, unknown, pad, added, length, HashOf(folder, $"{begin}\n{end}\n{unknown}\n{pad}\n{length}"));

        string Special(string name, string otherwise) =>
            Text(map?.RootElement, name, folder) ?? Text(config?.RootElement, name, folder) ?? otherwise;
    }

    private static Dictionary<string, int> ReadVocabulary(string path)
    {
        using var document = ReadOptional(path) ?? throw new FileNotFoundException($"{path} is missing", path);
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var ids = new HashSet<int>();
        foreach (var entry in document.RootElement.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id) || id < 0)
                throw new InvalidDataException($"{path}: the id of '{entry.Name}' is not a whole number from 0 on");
            if (!ids.Add(id))
                throw new InvalidDataException($"{path}: two tokens have the id {id}");
            if (!vocabulary.TryAdd(entry.Name, id))
                throw new InvalidDataException($"{path}: '{entry.Name}' stands there twice");
        }

        return vocabulary.Count > 0 ? vocabulary : throw new InvalidDataException($"{path} holds no tokens");
    }

    private static List<string> ReadMerges(string path, Dictionary<string, int> vocabulary)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path} is missing", path);
        var merges = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var line = 0;
        foreach (var merge in File.ReadLines(path))
        {
            line++;
            if (merge.Length == 0 || (line == 1 && merge.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            if (merge.Split(' ') is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw new InvalidDataException($"{path}, line {line}: not two tokens with one space between");
            foreach (var token in new[] { left, right, left + right })
            {
                if (!vocabulary.ContainsKey(token))
                    throw new InvalidDataException($"{path}, line {line}: '{token}' is not in the vocabulary");
            }

            if (!seen.Add(merge))
                throw new InvalidDataException($"{path}, line {line}: the pair stands there twice");
            merges.Add(merge);
        }

        return merges;
    }

    private static Dictionary<string, int> AddedTokens(JsonElement? config, JsonElement? more, string folder)
    {
        var added = new Dictionary<string, int>(StringComparer.Ordinal);
        if (config is { } c && c.TryGetProperty("added_tokens_decoder", out var decoder) && decoder.ValueKind == JsonValueKind.Object)
        {
            foreach (var entry in decoder.EnumerateObject())
            {
                if (!int.TryParse(entry.Name, out var id) || Text(decoder, entry.Name, folder) is not { Length: > 0 } content)
                    throw new InvalidDataException($"{folder}: added_tokens_decoder.{entry.Name} is not an id with a token");
                added[content] = id;
            }
        }

        foreach (var entry in more?.EnumerateObject() ?? default)
        {
            if (entry.Name.Length == 0 || entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id))
                throw new InvalidDataException($"{folder}: added_tokens.json gives '{entry.Name}' no id");
            added[entry.Name] = id;
        }

        return added;
    }

    /// <summary>A special token, which is a string or an object with a <c>content</c>.</summary>
    private static string? Text(JsonElement? element, string name, string folder)
    {
        if (element is not { } e || !e.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out var content))
            value = content;
        return value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : throw new InvalidDataException($"{folder}: {name} is not a token");
    }

    private static JsonDocument? ReadOptional(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
            throw new InvalidDataException($"{path} is not an object");
        }
        catch (JsonException fault)
        {
            throw new InvalidDataException($"{path} is not JSON: {fault.Message}", fault);
        }
    }

    private static string HashOf(string folder, string settings)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in new[] { "vocab.json", "merges.txt", "added_tokens.json" })
        {
            var path = Path.Combine(folder, name);
            if (File.Exists(path))
                hash.AppendData(SHA256.HashData(File.ReadAllBytes(path)));
        }

        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(settings));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
