using System.Security.Cryptography;

namespace Mesh.Store;

/// <summary>A value as it lies in Redis: a mark, its SHA-256, itself. What does not fit its sum was cut off or written over.</summary>
internal static class Sealed
{
    private static ReadOnlySpan<byte> Mark => "MSH1"u8;

    public static byte[] Close(ReadOnlySpan<byte> value)
    {
        var packed = new byte[Mark.Length + SHA256.HashSizeInBytes + value.Length];
        Mark.CopyTo(packed);
        SHA256.HashData(value, packed.AsSpan(Mark.Length));
        value.CopyTo(packed.AsSpan(Mark.Length + SHA256.HashSizeInBytes));
        return packed;
    }

    /// <summary>The value, or null where it is not what was written.</summary>
    public static byte[]? Open(ReadOnlySpan<byte> packed)
    {
        var head = Mark.Length + SHA256.HashSizeInBytes;
        if (packed.Length < head || !packed.StartsWith(Mark)) return null;
        Span<byte> sum = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(packed[head..], sum);
        return sum.SequenceEqual(packed[Mark.Length..head]) ? packed[head..].ToArray() : null;
    }
}
