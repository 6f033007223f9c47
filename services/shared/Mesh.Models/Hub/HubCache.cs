namespace Mesh.Models.Hub;

/// <summary>
/// One repository's part of the cache that all of the hub's clients share: <c>blobs/HASH</c> holds contents, <c>snapshots/COMMIT/PATH</c> links to
/// them, <c>refs/REVISION</c> names the commit of a branch, and <c>.locks</c> beside it keeps two programs from fetching the same file.
/// </summary>
internal sealed class HubCache(string folder, HubRepository repository)
{
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(200);

    private readonly string _root = Path.Combine(folder, repository.CacheName);

    public string Blob(string hash) => Path.Combine(_root, "blobs", hash);

    /// <summary>Where a content is collected; a later run goes on with what an earlier one left.</summary>
    public string Partial(string hash) => Blob(hash) + ".incomplete";

    public string Snapshot(string commit) => Path.Combine(_root, "snapshots", commit);

    /// <summary>The snapshot that is there for the repository's revision, or null.</summary>
    public string? Find()
    {
        string reference = Reference();
        string? commit = repository.IsPinned ? repository.Revision : File.Exists(reference) ? File.ReadAllText(reference).Trim() : null;
        return commit is not null && HubRepository.IsCommit(commit) && Directory.Exists(Snapshot(commit)) ? Snapshot(commit) : null;
    }

    /// <summary>Notes which commit the revision was.</summary>
    public void Remember(string commit)
    {
        if (repository.IsPinned)
            return;
        string reference = Reference(), temporary = $"{reference}.{Guid.NewGuid():n}.tmp";
        Directory.CreateDirectory(Path.GetDirectoryName(reference)!);
        File.WriteAllText(temporary, commit);
        File.Move(temporary, reference, overwrite: true);
    }

    /// <summary>Puts a content that is in the cache at its place in a snapshot: a relative link, or a copy where links cannot be made.</summary>
    public void Place(string commit, HubFile file)
    {
        string place = Path.Combine(Snapshot(commit), file.Path);
        string here = Path.GetDirectoryName(place)!;
        string target = Path.GetRelativePath(here, Blob(file.Hash));
        Directory.CreateDirectory(here);
        var existing = new FileInfo(place);
        if (existing.LinkTarget == target)
            return;
        string temporary = $"{place}.{Guid.NewGuid():n}.tmp";
        try
        {
            File.CreateSymbolicLink(temporary, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            File.Copy(Blob(file.Hash), temporary);
        }
        File.Move(temporary, place, overwrite: true);
    }

    /// <summary>Keeps other programs from fetching the same content until it is disposed of.</summary>
    public async Task<IDisposable> LockAsync(string hash, CancellationToken cancellationToken)
    {
        string path = Path.Combine(folder, ".locks", repository.CacheName, hash + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Directory.CreateDirectory(Path.Combine(_root, "blobs"));
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(LockPause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private string Reference() => Path.Combine(_root, "refs", repository.Revision);
}
