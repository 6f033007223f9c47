using System.Text.RegularExpressions;
using Mesh.Testing;

namespace Mesh.Architecture.Tests;

/// <summary>The maps tell the truth: what they name exists.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Maps { get; } = ["README.md", "services/README.md"];

    [Theory]
    [MemberData(nameof(Maps))]
    public void Path_NamedInAMap_Exists(string map)
    {
        var named = Code().Matches(Tree.Read(map)).Select(x => x.Groups[1].Value)
            .Where(x => x.Contains('/') && !x.StartsWith("./", StringComparison.Ordinal) && Plain().IsMatch(x)).ToList();

        named.ShouldNotBeEmpty();
        named.Where(x => !Exists(x) && !Exists(Path.Combine(Path.GetDirectoryName(map)!, x))).ShouldBeEmpty();
    }

    [Fact]
    public void Project_UnderServices_StandsInTheirMap()
    {
        var map = Tree.Read("services/README.md");

        Tree.Files(".csproj").Where(x => x.StartsWith("services/", StringComparison.Ordinal)).Select(x => Path.GetFileNameWithoutExtension(x))
            .Where(x => !map.Contains(x, StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static bool Exists(string relative) => Path.Exists(Repository.PathOf(relative));

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"^(protos|services|tests|deploy)/[\w./-]*$")]
    private static partial Regex Plain();
}
