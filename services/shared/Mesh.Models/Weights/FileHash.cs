using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mesh.Models.Weights;

/// <summary>Hashes of files as the hub and git name them, in lower-case hex digits.</summary>
public static class FileHash
{
    private const int BufferBytes = 1 << 20;

    /// <summary>SHA-256 of a file's content, 64 digits.</summary>
    public static async Task<string> Sha256Async(string path, CancellationToken cancellationToken = default)
    {
        var stream = OpenRead(path);
        await using (stream.ConfigureAwait(false))
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>SHA-256 of a file's content, 64 digits.</summary>
    public static string Sha256(string path)
    {
        using var stream = OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>The name that git gives a file's content: SHA-1 over <c>blob LENGTH\0</c> and the bytes, 40 digits.</summary>
    public static async Task<string> GitBlobAsync(string path, CancellationToken cancellationToken = default)
    {
        var stream = OpenRead(path);
        await using (stream.ConfigureAwait(false))
        {
            using var hash = NewGitBlob(stream.Length);
            byte[] buffer = new byte[BufferBytes];
            int got;
            while ((got = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                hash.AppendData(buffer.AsSpan(0, got));
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    private static IncrementalHash NewGitBlob(long length)
    {
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {length}\0")));
        return hash;
    }

    private static FileStream OpenRead(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes,
        FileOptions.Asynchronous | FileOptions.SequentialScan);
}
