using System.Globalization;
using System.Text;

namespace Mesh.Models.Weights;

/// <summary>The few lines that stand in place of a large file in a git clone made without git-lfs.</summary>
/// <param name="Sha256">Hash of the real file, 64 lower-case hex digits.</param>
/// <param name="Size">Bytes of the real file.</param>
public sealed record LfsPointer(string Sha256, long Size)
{
    /// <summary>Pointers are about 130 bytes; the format allows up to 1,024.</summary>
    internal const int MaxBytes = 1024;

    private const string FirstLine = "version https://git-lfs.github.com/spec/v1";

    /// <summary>The pointer that <paramref name="content"/>, a file's first bytes, holds, or null where it is none.</summary>
    public static LfsPointer? TryParse(ReadOnlySpan<byte> content)
    {
        if (content.Length > MaxBytes || !content.StartsWith("version https://git-lfs.github.com/spec/"u8))
            return null;
        string[] lines = Encoding.UTF8.GetString(content).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string? hash = lines.FirstOrDefault(l => l.StartsWith("oid sha256:", StringComparison.Ordinal))?["oid sha256:".Length..].Trim();
        string? size = lines.FirstOrDefault(l => l.StartsWith("size ", StringComparison.Ordinal))?["size ".Length..].Trim();
        return lines[0].Trim() == FirstLine && hash?.Length == 64 && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            ? new LfsPointer(hash, bytes)
            : null;
    }

    internal WeightFileException Fault(string path) => new($"{path} is a git-LFS pointer to a file of {Size} bytes (sha256 {Sha256}), not the file itself: "
        + "fetch it with 'git lfs pull' or 'mesh models pull'");
}
