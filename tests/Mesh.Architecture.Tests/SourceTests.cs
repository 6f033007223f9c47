using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Mesh.Architecture.Tests;

/// <summary>What holds for every source file.</summary>
public sealed partial class SourceTests
{
    private const int MostLinesOfAFile = 400;
    private const int MostLinesOfAMethod = 60;
    private const int MostLinesOfTheTrainingLoop = 150;

    [Fact]
    public void Source_OutsideTheBuildFiles_DoesNotTellTheFeed()
    {
        var mayTell = (string path) => path.StartsWith("services/airgap/", StringComparison.Ordinal) || path.StartsWith("tests/Mesh.Architecture.Tests/", StringComparison.Ordinal);

        Tree.Files(".cs", ".proto", ".csproj").Where(x => !mayTell(x))
            .SelectMany(path => Lines(path).Where(x => Feed().IsMatch(x.Text)).Select(x => $"{path}:{x.Number}: {x.Text.Trim()}"))
            .ShouldBeEmpty();
    }

    [Fact]
    public void SourceFile_Length_IsWithinItsBudget() =>
        Tree.Files(".cs").Select(path => (path, Lines: Lines(path).Count())).Where(x => x.Lines > MostLinesOfAFile)
            .Select(x => $"{x.path}: {x.Lines} lines").ShouldBeEmpty();

    [Fact]
    public void Method_Length_IsWithinItsBudget() => Tree.Files(".cs").SelectMany(LongMethods).ShouldBeEmpty();

    [Fact]
    public void File_Tracked_NamesNoRegistryAndNoMachinePath() =>
        Tree.Files(".cs", ".proto", ".csproj", ".props", ".targets", ".json", ".md", ".yml", ".yaml", ".sh", ".py", ".js", ".ts", ".cpp", ".h", "")
            .SelectMany(path => Lines(path).Where(x => Place().IsMatch(x.Text)).Select(x => $"{path}:{x.Number}"))
            .ShouldBeEmpty();

    private static IEnumerable<(int Number, string Text)> Lines(string path) => Tree.Read(path).TrimEnd('\n').Split('\n').Select((text, i) => (i + 1, text));

    private static IEnumerable<string> LongMethods(string path)
    {
        var root = CSharpSyntaxTree.ParseText(Tree.Read(path), new CSharpParseOptions(LanguageVersion.Latest)).GetRoot();
        foreach (var method in root.DescendantNodes().Where(x => x is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax))
        {
            var name = method is MethodDeclarationSyntax declared ? declared.Identifier.Text : method.Kind().ToString();
            var most = name == "Run" && path.EndsWith("/Trainer.cs", StringComparison.Ordinal) ? MostLinesOfTheTrainingLoop : MostLinesOfAMethod;
            var span = method.SyntaxTree.GetLineSpan(method.Span);
            var lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
            if (lines > most) yield return $"{path}:{span.StartLinePosition.Line + 1}: {name} has {lines} lines";
        }
    }

    [GeneratedRegex("airgap|MeshFeed|stand-?in", RegexOptions.IgnoreCase)]
    private static partial Regex Feed();

    [GeneratedRegex(@"(^|[\s""'(=])/(work|farm|tmp/[a-z])|https?://[a-z.-]*(nuget|npmjs|npm\.|debian\.org|pypi|proxy)[a-z.-]*/")]
    private static partial Regex Place();
}
