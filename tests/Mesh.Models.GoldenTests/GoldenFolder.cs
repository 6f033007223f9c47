using Mesh.Cli.Verify;

[assembly: CollectionBehavior(DisableTestParallelization = true)] // a full-size network takes most of a small machine's memory

namespace Mesh.Models.GoldenTests;

/// <summary>Where the golden data are: in the folder that MESH_GOLDEN names, or in the repository.</summary>
internal static class GoldenFolder
{
    public static string Committed { get; } = Path.Combine(Root(), "tests", "goldens");

    public static string Current { get; } = Environment.GetEnvironmentVariable("MESH_GOLDEN") is { Length: > 0 } named ? named : Committed;

    /// <summary>Every case of every group that is built, as (group, case).</summary>
    public static IEnumerable<(string Group, string Case)> Cases() =>
        from name in GoldenRunner.GroupsIn(Current)
        let @group = GoldenGroups.Find(name)
        where @group is not null
        from one in GoldenRunner.CasesIn(Current, @group)
        select (name, one);

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Mesh.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"no Mesh.sln above {AppContext.BaseDirectory}");
    }
}
