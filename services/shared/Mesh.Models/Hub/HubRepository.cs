namespace Mesh.Models.Hub;

/// <summary>A model repository at a revision.</summary>
/// <param name="Id"><c>org/name</c>.</param>
/// <param name="Revision">A branch, a tag or a commit.</param>
public sealed record HubRepository(string Id, string Revision)
{
    private const int LongestName = 96;

    /// <summary>Whether the revision already is a commit: 40 hex digits.</summary>
    public bool IsPinned => IsCommit(Revision);

    /// <summary>The folder of the cache that holds the repository.</summary>
    internal string CacheName => "models--" + Id.Replace("/", "--", StringComparison.Ordinal);

    /// <summary>Reads <c>ORG/REPO</c> or <c>ORG/REPO@REVISION</c>; without a revision it is <c>main</c>.</summary>
    /// <exception cref="HubException">It is neither.</exception>
    public static HubRepository Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = text.IndexOf('@', StringComparison.Ordinal);
        string id = at < 0 ? text : text[..at], revision = at < 0 ? "main" : text[(at + 1)..];
        string[] parts = id.Split('/');
        if (parts.Length != 2 || !parts.All(IsName) || !IsSafePath(revision))
            throw new HubException(HubFault.Usage, $"'{text}' is not ORG/REPO or ORG/REPO@REVISION");
        return new HubRepository(id, revision);
    }

    internal static bool IsCommit(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Whether a path leads to somewhere below the folder that it is put in.</summary>
    internal static bool IsSafePath(string path) => path.Length is > 0 and < 1024 && !path.Any(c => c is '\\' or ':' || char.IsControl(c))
        && path.Split('/').All(p => p is not ("" or "." or ".."));

    private static bool IsName(string name) => name.Length is > 0 and <= LongestName && char.IsAsciiLetterOrDigit(name[0])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        && !name.Contains("--", StringComparison.Ordinal) && !name.Contains("..", StringComparison.Ordinal);
}

/// <summary>A file of a repository.</summary>
/// <param name="Path">Path in the repository, with slashes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Hash">SHA-256 of the content (64 hex digits) for large files, git's blob name (40) for small ones.</param>
public sealed record HubFile(string Path, long Size, string Hash)
{
    internal static bool IsHash(string? text) => text is { Length: 40 or 64 } && text.All(char.IsAsciiHexDigitLower);
}
