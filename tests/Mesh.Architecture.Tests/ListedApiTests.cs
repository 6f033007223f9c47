namespace Mesh.Architecture.Tests;

/// <summary>
/// The sources compile against the whole listed API of the packages, not only against the part of it that this build holds:
/// no call is ambiguous there, none finds another overload that does not fit.
/// </summary>
public sealed class ListedApiTests
{
    private static readonly Lazy<ListedBuild> Build = new(() => new());

    public static TheoryData<string> Projects { get; } =
        [.. Tree.Files(".csproj").Where(x => !x.StartsWith("services/airgap/", StringComparison.Ordinal) && !x.StartsWith("tests/Mesh.Architecture.Tests/", StringComparison.Ordinal))];

    [Fact]
    public void Lists_AsCode_Compile() => Build.Value.ErrorsOfTheLists.ShouldBeEmpty();

    [Theory]
    [MemberData(nameof(Projects))]
    public void Sources_OfAProject_CompileAgainstTheWholeApi(string project)
    {
        lock (Build) Build.Value.Errors(project).Take(40).ShouldBeEmpty();
    }
}
