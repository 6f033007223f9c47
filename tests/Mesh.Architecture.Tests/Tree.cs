using Mesh.Testing;

namespace Mesh.Architecture.Tests;

/// <summary>The files of the repository, without what builds and tools leave in it.</summary>
internal static class Tree
{
    private static readonly string[] Skipped = [".git", ".mesh", "artifacts", "node_modules", "bin", "obj", "__pycache__"];

    /// <summary>Paths relative to the root, with forward slashes, of every file with one of the extensions.</summary>
    public static IEnumerable<string> Files(params string[] extensions) => Walk(Repository.Root)
        .Where(path => extensions.Length == 0 || extensions.Contains(Path.GetExtension(path)))
        .Select(path => Path.GetRelativePath(Repository.Root, path).Replace('\\', '/'))
        .Order(StringComparer.Ordinal);

    public static string Read(string relative) => File.ReadAllText(Path.Combine(Repository.Root, relative));

    private static IEnumerable<string> Walk(string folder) => Directory.EnumerateFiles(folder)
        .Concat(Directory.EnumerateDirectories(folder).Where(child => !Skipped.Contains(Path.GetFileName(child))).SelectMany(Walk));
}
