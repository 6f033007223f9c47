using System.Xml.Linq;

namespace Mesh.Architecture.Tests;

/// <summary>References between projects point one way: services, then what they share, then models; never back.</summary>
public sealed class ReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Mesh.Contracts"] = [],
        ["Mesh.Client"] = ["Mesh.Contracts"],
        ["Mesh.Imaging"] = [],
        ["Mesh.Batching"] = [],
        ["Mesh.Store"] = [],
        ["Mesh.Models"] = [],
        ["Mesh.Training"] = ["Mesh.Models", "Mesh.Imaging"],
        ["Mesh.Hosting"] = ["Mesh.Contracts", "Mesh.Batching"],
        ["Mesh.OneProcess"] = ["Mesh.Gateway", "Mesh.TextEncoder", "Mesh.Generator", "Mesh.Decoder", "Mesh.Upsampler", "Mesh.Hosting"],
        ["Mesh.Cli"] = ["Mesh.Client", "Mesh.Models", "Mesh.Training", "Mesh.Imaging"],
    };

    private static readonly string[] ForServices =
        ["Mesh.Contracts", "Mesh.Client", "Mesh.Hosting", "Mesh.Store", "Mesh.Batching", "Mesh.Models", "Mesh.Training", "Mesh.Imaging"];

    public static TheoryData<string> Projects { get; } =
        [.. Tree.Files(".csproj").Where(x => !x.StartsWith("tests/", StringComparison.Ordinal) && !x.StartsWith("services/airgap/", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_References_OnlyWhatItsRoomMay(string project)
    {
        var name = Path.GetFileNameWithoutExtension(project);

        References(project).Except(Allowed.GetValueOrDefault(name, ForServices)).ShouldBeEmpty($"{name} refers to a room that it must not know");
    }

    [Fact]
    public void Library_Shared_IsListed()
    {
        var shared = Tree.Files(".csproj").Where(x => x.StartsWith("services/shared/", StringComparison.Ordinal)).Select(Path.GetFileNameWithoutExtension);

        shared.ShouldAllBe(name => Allowed.ContainsKey(name!));
    }

    [Fact]
    public void Solution_Names_EveryProject()
    {
        var solution = Tree.Read("Mesh.sln").Replace('\\', '/');

        Tree.Files(".csproj").Where(project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static IEnumerable<string> References(string project) => XDocument.Parse(Tree.Read(project)).Descendants("ProjectReference")
        .Select(x => Path.GetFileNameWithoutExtension(x.Attribute("Include")!.Value.Replace('\\', '/')));
}
