using System.Text.RegularExpressions;
using Mesh.Hosting.Configuration;
using Mesh.Testing;

namespace Mesh.Hosting.Tests.Configuration;

public sealed partial class MeshSectionsTests
{
    [Fact]
    public void All_SectionsThatServicesRead_AreKnownToEveryOther()
    {
        var read = Directory.EnumerateFiles(Repository.PathOf("services"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(x => SectionName().Matches(File.ReadAllText(x)).Select(y => y.Groups[1].Value)).Distinct().ToList();

        read.ShouldContain("Batching");
        read.Except(MeshSections.All).ShouldBeEmpty();
    }

    [Fact]
    public void Build_FileForTheWholeMesh_IsTakenByEachService()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("mesh.json"), $$"""{ "Mesh": { {{string.Join(", ", MeshSections.All.Select(x => $"\"{x}\": {{}}"))}} } }""");

        ((IDisposable)ProbeApp.Create(["--config=" + folder.File("mesh.json")])).Dispose();
    }

    [GeneratedRegex("const string SectionName = \"([A-Za-z]+)\"")]
    private static partial Regex SectionName();
}
