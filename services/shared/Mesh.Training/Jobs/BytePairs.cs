using System.Text;
using Mesh.Models.Text;

namespace Mesh.Training.Jobs;

/// <summary>A byte-pair vocabulary in CLIP's form.</summary>
/// <param name="Tokens">Tokens in the order of their ids.</param>
/// <param name="Merges">Pairs in the order in which they are joined.</param>
public sealed record BytePairVocabulary(IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges)
{
    /// <summary>Stands before every text.</summary>
    public const string Begin = "<|startoftext|>";

    /// <summary>Stands after every text.</summary>
    public const string End = "<|endoftext|>";

    private const string WordEnd = "</w>";

    /// <summary>Learns a vocabulary: the most frequent pair of neighbours is joined, again and again.</summary>
    /// <param name="texts">Texts.</param>
    /// <param name="size">Tokens in all: 512 for the bytes, two marks, and the rest for what is joined.</param>
    public static BytePairVocabulary Learn(IEnumerable<string> texts, int size)
    {
        var symbols = ByteSymbols();
        var words = texts.SelectMany(ClipTokenizer.Words).GroupBy(w => w, StringComparer.Ordinal)
            .Select(g => (Count: (long)g.Count(), Symbols: Spell(g.Key, symbols))).OrderBy(w => string.Join(' ', w.Symbols), StringComparer.Ordinal).ToList();
        var merges = new List<(string, string)>();
        var counts = new Dictionary<(string, string), long>();
        foreach (var (count, spelt) in words)
            Count(counts, spelt, count);
        while (merges.Count < size - (2 * symbols.Length) - 2)
        {
            if (MostFrequent(counts) is not { } pair)
                break;
            merges.Add(pair);
            foreach (var (count, spelt) in words)
                Join(counts, spelt, count, pair);
        }

        return new BytePairVocabulary([.. symbols, .. symbols.Select(s => s + WordEnd), .. merges.Select(m => m.Item1 + m.Item2), Begin, End], merges);
    }

    private static List<string> Spell(string word, string[] symbols)
    {
        var spelt = Encoding.UTF8.GetBytes(word).Select(b => symbols[Place(b)]).ToList();
        spelt[^1] += WordEnd;
        return spelt;
    }

    // Of pairs equally frequent the last by their letters, so that the vocabulary follows from the texts alone; none that occurs once.
    private static (string, string)? MostFrequent(Dictionary<(string, string), long> counts)
    {
        ((string, string) Pair, long Count)? best = null;
        foreach (var (pair, count) in counts)
        {
            if (count < 2 || (best is { } b && (count < b.Count || (count == b.Count && Order(pair, b.Pair) < 0))))
                continue;
            best = (pair, count);
        }

        return best?.Pair;
    }

    private static int Order((string, string) a, (string, string) b) =>
        string.CompareOrdinal(a.Item1, b.Item1) is not 0 and var first ? first : string.CompareOrdinal(a.Item2, b.Item2);

    private static void Count(Dictionary<(string, string), long> counts, List<string> spelt, long weight)
    {
        for (var i = 0; i + 1 < spelt.Count; i++)
            counts[(spelt[i], spelt[i + 1])] = counts.GetValueOrDefault((spelt[i], spelt[i + 1])) + weight;
    }

    private static void Join(Dictionary<(string, string), long> counts, List<string> spelt, long weight, (string Left, string Right) pair)
    {
        var found = false;
        for (var i = 0; i + 1 < spelt.Count && !found; i++)
            found = spelt[i] == pair.Left && spelt[i + 1] == pair.Right;
        if (!found)
            return;
        Count(counts, spelt, -weight);
        for (var i = 0; i + 1 < spelt.Count; i++)
        {
            if (spelt[i] != pair.Left || spelt[i + 1] != pair.Right)
                continue;
            spelt[i] += spelt[i + 1];
            spelt.RemoveAt(i + 1);
        }

        Count(counts, spelt, weight);
    }

    // Every byte has a visible character; those that are none of their own come after the others.
    private static string[] ByteSymbols()
    {
        var own = Enumerable.Range(0, 256).Where(IsVisible).Select(b => ((char)b).ToString());
        var others = Enumerable.Range(0, 256).Where(b => !IsVisible(b)).Select((_, i) => ((char)(256 + i)).ToString());
        return [.. own, .. others];
    }

    private static int Place(int b) => IsVisible(b)
        ? Enumerable.Range(0, b).Count(IsVisible)
        : Enumerable.Range(0, 256).Count(IsVisible) + Enumerable.Range(0, b).Count(x => !IsVisible(x));

    private static bool IsVisible(int b) => b is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
}
