using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Mesh.Store;

/// <summary>
/// The name of a cached value: SHA-256 over everything that the value depends on, each part preceded by its length, so that no two
/// lists of parts give the same name.
/// </summary>
public readonly record struct CacheKey
{
    private CacheKey(string text) => Text = text;

    /// <summary>64 lower-case hexadecimal digits.</summary>
    public string Text { get; }

    /// <summary>Names a prompt's embedding.</summary>
    /// <param name="encoder">Hash of the text encoders' weights.</param>
    /// <param name="tokenizer">Hash of the tokenizers' files.</param>
    /// <param name="prompt">The prompt, exactly.</param>
    /// <param name="positions">Tokens that the encoder sees.</param>
    /// <param name="numerics">The type of the embedding's elements.</param>
    /// <param name="loras">What changes the encoder, with weights, in order.</param>
    public static CacheKey OfEmbedding(string encoder, string tokenizer, string prompt, int positions, string numerics, IEnumerable<(string Hash, float Weight)> loras)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, "mesh embedding 1"u8);
        Add(hash, encoder);
        Add(hash, tokenizer);
        Add(hash, prompt);
        Add(hash, numerics);
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(number, positions);
        Add(hash, number);
        foreach (var (lora, weight) in loras)
        {
            Add(hash, lora);
            BinaryPrimitives.WriteSingleLittleEndian(number, weight);
            Add(hash, number);
        }
        return new(Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    private static void Add(IncrementalHash hash, string part) => Add(hash, Encoding.UTF8.GetBytes(part));

    private static void Add(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }
}
