namespace Mesh.Architecture.Tests;

/// <summary>The files of the repository, without what builds and tools leave in it.</summary>
internal static class Tree
{
    private static readonly string[] Skipped = [".git", ".mesh", "artifacts", "node_modules", "bin", "obj", "__pycache__"];

    public static string Root { get; } = FindRoot();

    /// <summary>Paths relative to the root, with forward slashes, of every file with one of the extensions.</summary>
    public static IEnumerable<string> Files(params string[] extensions) => Walk(Root)
        .Where(path => extensions.Length == 0 || extensions.Contains(Path.GetExtension(path)))
        .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
        .Order(StringComparer.Ordinal);

    public static string Read(string relative) => File.ReadAllText(Path.Combine(Root, relative));

    private static IEnumerable<string> Walk(string folder) => Directory.EnumerateFiles(folder)
        .Concat(Directory.EnumerateDirectories(folder).Where(child => !Skipped.Contains(Path.GetFileName(child))).SelectMany(Walk));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Mesh.sln"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException($"No Mesh.sln above {AppContext.BaseDirectory}: run the tests inside the repository.");
    }
}
