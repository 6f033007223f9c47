using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Mesh.Models.Text;

/// <summary>
/// Unicode's normal form C (UAX 15, data of Unicode 14). The runtime has it only where ICU is loaded, and then of whatever version that is;
/// token ids must not depend on either.
/// </summary>
internal static class CanonicalComposition
{
    private const int HangulBase = 0xAC00;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TrailBase = 0x11A7;
    private const int LeadCount = 19;
    private const int VowelCount = 21;
    private const int TrailCount = 28;
    private const int HangulCount = LeadCount * VowelCount * TrailCount;

    private static readonly (FrozenDictionary<int, byte> Class, FrozenDictionary<int, int[]> Decomposed, FrozenDictionary<(int, int), int> Composed) Data = Read();

    /// <summary>The normal form C of a text without unpaired surrogates.</summary>
    public static string Apply(string text)
    {
        // Everything below U+0300 is its own normal form, and so are most prompts.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            return text;
        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, points);
        Reorder(points);
        Compose(points);
        var result = new StringBuilder(points.Count);
        foreach (var point in points)
            result.Append(new Rune(point).ToString());
        return result.ToString();
    }

    private static void Decompose(int point, List<int> into)
    {
        if (point is >= HangulBase and < HangulBase + HangulCount)
        {
            var index = point - HangulBase;
            into.Add(LeadBase + (index / (VowelCount * TrailCount)));
            into.Add(VowelBase + (index % (VowelCount * TrailCount) / TrailCount));
            if (index % TrailCount != 0)
                into.Add(TrailBase + (index % TrailCount));
        }
        else if (Data.Decomposed.TryGetValue(point, out var parts))
        {
            foreach (var part in parts)
                Decompose(part, into);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Sorts each run of combining characters by class, keeping the order of equals.</summary>
    private static void Reorder(List<int> points)
    {
        for (var begin = 0; begin < points.Count;)
        {
            var end = begin;
            while (end < points.Count && ClassOf(points[end]) != 0)
                end++;
            if (end - begin > 1)
            {
                var sorted = points.GetRange(begin, end - begin).OrderBy(ClassOf).ToArray();
                for (var i = 0; i < sorted.Length; i++)
                    points[begin + i] = sorted[i];
            }

            begin = Math.Max(end, begin + 1);
        }
    }

    private static void Compose(List<int> points)
    {
        var starter = -1;
        var length = 0;
        var lastClass = -1;
        foreach (var point in points.ToArray())
        {
            var c = ClassOf(point);
            var free = length == starter + 1 || (lastClass != 0 && lastClass < c);
            if (starter >= 0 && free && Pair(points[starter], point) is { } composed)
            {
                points[starter] = composed;
                continue;
            }

            if (c == 0)
                starter = length;
            lastClass = c;
            points[length++] = point;
        }

        points.RemoveRange(length, points.Count - length);
    }

    private static int? Pair(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + LeadCount && second is >= VowelBase and < VowelBase + VowelCount)
            return HangulBase + ((((first - LeadBase) * VowelCount) + second - VowelBase) * TrailCount);
        if (first is >= HangulBase and < HangulBase + HangulCount && (first - HangulBase) % TrailCount == 0
            && second is > TrailBase and < TrailBase + TrailCount)
        {
            return first + second - TrailBase;
        }

        return Data.Composed.TryGetValue((first, second), out var composed) ? composed : null;
    }

    private static int ClassOf(int point) => Data.Class.GetValueOrDefault(point);

    private static (FrozenDictionary<int, byte>, FrozenDictionary<int, int[]>, FrozenDictionary<(int, int), int>) Read()
    {
        var classes = new Dictionary<int, byte>();
        var decomposed = new Dictionary<int, int[]>();
        var composed = new Dictionary<(int, int), int>();
        using var stream = typeof(CanonicalComposition).Assembly.GetManifestResourceStream("Mesh.Models.Text.CanonicalForms.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            var words = line.Split(' ');
            foreach (var word in words.AsSpan(1))
            {
                if (words[0] == "class")
                    AddClass(word, classes);
                else if (words[0] == "pair")
                    AddPair(word, decomposed, composed);
            }
        }

        return (classes.ToFrozenDictionary(), decomposed.ToFrozenDictionary(), composed.ToFrozenDictionary());
    }

    private static void AddClass(string word, Dictionary<int, byte> classes)
    {
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        var range = word[..equals].Split('-');
        for (var point = Hex(range[0]); point <= Hex(range[^1]); point++)
            classes[point] = byte.Parse(word.AsSpan(equals + 1), CultureInfo.InvariantCulture);
    }

    private static void AddPair(string word, Dictionary<int, int[]> decomposed, Dictionary<(int, int), int> composed)
    {
        var sign = word.IndexOfAny(['=', '>']);
        var point = Hex(word[..sign]);
        var parts = word[(sign + 1)..].Split('+').Select(Hex).ToArray();
        decomposed[point] = parts;
        if (word[sign] == '=')
            composed[(parts[0], parts[1])] = point;
    }

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
