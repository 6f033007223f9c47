using Microsoft.ML.Tokenizers;

namespace Mesh.Models.Text;

/// <summary>How a <see cref="ClipTokenizer"/> is used where the folder's files leave it open.</summary>
/// <param name="Positions">Ids in a padded row where the files do not say: the text encoder's number of positions.</param>
/// <param name="PadIsSpecial">Whether the pad token is found in a text like any other special token, so that SD2's and SDXL's second tokenizer
/// (pad token <c>!</c>) turns every <c>!</c> into id 0. True is what the reference does.</param>
public sealed record ClipTokenizerOptions(int? Positions = null, bool PadIsSpecial = true);

/// <summary>
/// CLIP's tokenizer, equal to the reference's original one: clean-up, byte-pair encoding, begin and end tokens, padding. Everything that differs
/// between checkpoints comes from the folder's files. Safe for use by many threads.
/// </summary>
public sealed class ClipTokenizer
{
    private const string EndOfWord = "</w>";

    private readonly BpeTokenizer _pairs;
    private readonly (string Text, int Id)[] _special;
    private readonly IReadOnlyDictionary<string, int> _vocabulary;
    private readonly int _unknown;

    private ClipTokenizer(ClipTokenizerFiles files, ClipTokenizerOptions options)
    {
        _vocabulary = files.Vocabulary;
        BeginId = IdOf(files, files.Begin, "bos_token");
        EndId = IdOf(files, files.End, "eos_token");
        PadId = IdOf(files, files.Pad, "pad_token");
        _unknown = IdOf(files, files.Unknown, "unk_token");
        MaxLength = files.MaxLength ?? options.Positions
            ?? throw new InvalidDataException("tokenizer_config.json has no model_max_length, and nothing else says how long a row is");
        if (MaxLength < 3)
            throw new InvalidDataException($"a row of {MaxLength} ids has no room for a text");
        Hash = files.Hash;
        VocabularySize = Math.Max(files.Vocabulary.Values.Max(), files.Added.Values.DefaultIfEmpty(0).Max()) + 1;

        var special = new Dictionary<string, int>(files.Added, StringComparer.Ordinal);
        foreach (var token in new[] { files.Begin, files.End, files.Unknown })
            special[token] = IdOf(files, token, "special token");
        if (options.PadIsSpecial)
            special[files.Pad] = PadId;
        _special = [.. special.OrderByDescending(s => s.Key.Length).Select(s => (s.Key, s.Value))];
        _pairs = BpeTokenizer.Create(new BpeOptions(files.Vocabulary)
        {
            Merges = files.Merges,
            ByteLevel = true,
            EndOfWordSuffix = EndOfWord,
            UnknownToken = files.Vocabulary.ContainsKey(files.Unknown) ? files.Unknown : null,
        });
    }

    /// <summary>Ids in a padded row.</summary>
    public int MaxLength { get; }

    /// <summary>The id before every text.</summary>
    public int BeginId { get; }

    /// <summary>The id after every text.</summary>
    public int EndId { get; }

    /// <summary>The id that fills a row up.</summary>
    public int PadId { get; }

    /// <summary>One more than the largest id.</summary>
    public int VocabularySize { get; }

    /// <summary>SHA-256 of what decides the ids, lower-case hex.</summary>
    public string Hash { get; }

    /// <summary>Reads a folder such as <c>tokenizer/</c> of a checkpoint.</summary>
    /// <exception cref="InvalidDataException">The files are not those of a CLIP tokenizer; the message says what is wrong.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    public static ClipTokenizer Load(string folder, ClipTokenizerOptions? options = null) => Create(ClipTokenizerFiles.Read(folder), options);

    /// <summary>Makes one from files that were read already.</summary>
    public static ClipTokenizer Create(ClipTokenizerFiles files, ClipTokenizerOptions? options = null) => new(files, options ?? new ClipTokenizerOptions());

    /// <summary>The cleaned pieces of a text that are encoded each by itself, whatever the vocabulary: what one is learnt from.</summary>
    public static IEnumerable<string> Words(string text)
    {
        var cleaned = TextCleaner.Clean(text);
        return ClipPieces.Split(cleaned).Select(range => cleaned[range]);
    }

    /// <summary>All ids of a text with begin and end, neither cut nor padded.</summary>
    public int[] Encode(string text) => [BeginId, .. Tokens(text), EndId];

    /// <summary>A row of <see cref="MaxLength"/> ids: begin, the text as far as it fits, end, padding.</summary>
    public int[] EncodePadded(string text)
    {
        var row = new int[MaxLength];
        Array.Fill(row, PadId);
        row[0] = BeginId;
        var length = 1;
        foreach (var id in Tokens(text).Take(MaxLength - 2))
            row[length++] = id;
        row[length] = EndId;
        return row;
    }

    /// <summary>Whether <see cref="EncodePadded"/> would cut the text.</summary>
    public bool IsCut(string text) => Tokens(text).Skip(MaxLength - 2).Any();

    private IEnumerable<int> Tokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var (part, special) in SplitAtSpecial(text))
        {
            if (special is { } id)
            {
                yield return id;
                continue;
            }

            foreach (var token in Pieces(TextCleaner.Clean(part)))
                yield return token;
        }
    }

    private IEnumerable<int> Pieces(string cleaned)
    {
        foreach (var range in ClipPieces.Split(cleaned))
        {
            var piece = cleaned[range];
            if (piece is ClipPieces.StartMarker or ClipPieces.EndMarker)
            {
                yield return _vocabulary.TryGetValue(piece, out var marker) ? marker : _unknown;
                continue;
            }

            // Splitting and clean-up are done: the encoder sees one piece at a time and only merges.
            foreach (var id in _pairs.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false))
                yield return id;
        }
    }

    /// <summary>Cuts the text at special tokens, the longest first where several begin at one place.</summary>
    private IEnumerable<(string Part, int? Special)> SplitAtSpecial(string text)
    {
        var begin = 0;
        for (var i = 0; i < text.Length;)
        {
            var (token, id) = Array.Find(_special, s => string.CompareOrdinal(text, i, s.Text, 0, s.Text.Length) == 0);
            if (token is null)
            {
                i++;
                continue;
            }

            if (i > begin)
                yield return (text[begin..i], null);
            yield return (token, id);
            begin = i += token.Length;
        }

        if (begin < text.Length)
            yield return (text[begin..], null);
    }

    private static int IdOf(ClipTokenizerFiles files, string token, string role) =>
        files.Vocabulary.TryGetValue(token, out var id) || files.Added.TryGetValue(token, out id)
            ? id
            : throw new InvalidDataException($"the {role} '{token}' is not in the vocabulary");
}
