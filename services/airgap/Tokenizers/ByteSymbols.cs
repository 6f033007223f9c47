using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>
/// The printable character that stands for each byte in a byte-level vocabulary: itself where it is printable in Latin-1,
/// else the next free one from U+0100 on.
/// </summary>
internal static class ByteSymbols
{
    private static readonly char[] OfByte = Build();
    private static readonly Dictionary<char, byte> OfSymbol = OfByte.Select((c, b) => (c, b)).ToDictionary(p => p.c, p => (byte)p.b);

    /// <summary>The symbols of a text's UTF-8 bytes; <paramref name="source"/> receives the text index of each.</summary>
    public static string Encode(ReadOnlySpan<char> text, List<int> source)
    {
        var symbols = new StringBuilder(text.Length);
        Span<byte> bytes = stackalloc byte[4];
        for (var i = 0; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text[i..], out var rune, out var used);
            var count = rune.EncodeToUtf8(bytes);
            for (var k = 0; k < count; k++)
            {
                symbols.Append(OfByte[bytes[k]]);
                source.Add(i);
            }

            i += used;
        }

        return symbols.ToString();
    }

    /// <summary>The text of a row of symbols; a character that is no symbol stands for itself.</summary>
    public static void Decode(ReadOnlySpan<char> symbols, List<byte> bytes)
    {
        foreach (var symbol in symbols)
        {
            if (OfSymbol.TryGetValue(symbol, out var b))
                bytes.Add(b);
            else
                bytes.AddRange(Encoding.UTF8.GetBytes([symbol]));
        }
    }

    private static char[] Build()
    {
        var symbols = new char[256];
        var next = (char)256;
        for (var b = 0; b < 256; b++)
            symbols[b] = b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 ? (char)b : next++;
        return symbols;
    }
}
