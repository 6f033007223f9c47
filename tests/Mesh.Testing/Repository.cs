namespace Mesh.Testing;

/// <summary>Where the source tree lies, for tests that read files of it.</summary>
public static class Repository
{
    /// <summary>The folder that holds Mesh.sln, looked for upwards from the test's own assembly.</summary>
    public static string Root { get; } = Find();

    /// <summary>A path inside the source tree.</summary>
    /// <param name="parts">Folder and file names below the root.</param>
    public static string PathOf(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Mesh.sln")))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds Mesh.sln.");
    }
}
