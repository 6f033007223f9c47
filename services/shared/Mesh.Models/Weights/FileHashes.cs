using System.Collections.Concurrent;

namespace Mesh.Models.Weights;

/// <summary>
/// SHA-256 of files, each computed once as long as its size and time of change stay the same. Safe for use from several threads.
/// </summary>
public sealed class FileHashes
{
    private readonly ConcurrentDictionary<string, (long Length, DateTime Changed, Lazy<string> Hash)> _known = new(StringComparer.Ordinal);

    /// <summary>SHA-256 of a file's content, 64 lower-case hex digits.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public string Sha256(string path)
    {
        path = Path.GetFullPath(path);
        var file = new FileInfo(path);
        if (!file.Exists)
            throw new FileNotFoundException($"{path} is not there", path);
        var (length, changed) = (file.Length, file.LastWriteTimeUtc);
        var entry = _known.AddOrUpdate(
            path,
            p => (length, changed, new Lazy<string>(() => FileHash.Sha256(p))),
            (p, known) => known.Length == length && known.Changed == changed ? known : (length, changed, new Lazy<string>(() => FileHash.Sha256(p))));
        try
        {
            return entry.Hash.Value;
        }
        catch
        {
            _known.TryRemove(path, out _); // a Lazy keeps its fault, which may be over by the next time
            throw;
        }
    }
}
