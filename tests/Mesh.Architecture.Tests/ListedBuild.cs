using System.Xml.Linq;
using Mesh.Testing;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh.Architecture.Tests;

/// <summary>Compiles projects, and what they refer to, against the API lists in place of the packages.</summary>
internal sealed class ListedBuild
{
    /// <summary>What the lists do not tell: which interfaces some types have.</summary>
    private static readonly Dictionary<string, string> Interfaces = new(StringComparer.Ordinal)
    {
        ["TorchSharp.torch.nn.Module<T, TResult>"] = "TorchSharp.torch.nn.IModule<T, TResult>",
        ["TorchSharp.torch.nn.Module<T1, T2, TResult>"] = "TorchSharp.torch.nn.IModule<T1, T2, TResult>",
        ["TorchSharp.torch.nn.Module<T1, T2, T3, TResult>"] = "TorchSharp.torch.nn.IModule<T1, T2, T3, TResult>",
        ["Grpc.Core.IServerStreamWriter<T>"] = "Grpc.Core.IAsyncStreamWriter<T>",
        ["Grpc.Core.IClientStreamWriter<T>"] = "Grpc.Core.IAsyncStreamWriter<T>",
        ["StackExchange.Redis.IDatabaseAsync"] = "StackExchange.Redis.IRedisAsync",
        ["StackExchange.Redis.IDatabase"] = "StackExchange.Redis.IDatabaseAsync, StackExchange.Redis.IRedis",
        ["StackExchange.Redis.IRedis"] = "StackExchange.Redis.IRedisAsync",
        ["StackExchange.Redis.ISubscriber"] = "StackExchange.Redis.IRedis",
        ["Microsoft.AspNetCore.Builder.GrpcServiceEndpointConventionBuilder"] = "Microsoft.AspNetCore.Builder.IEndpointConventionBuilder",
    };

    /// <summary>What lists mention and nothing here has.</summary>
    private static readonly string[] OfOtherPackages = ["Tensorboard.", "RESPite."];

    /// <summary>Parts of a member that a source generator writes, and none runs here; what such a part would assign.</summary>
    private static readonly HashSet<string> OfGenerators = ["CS8795", "CS8785", "CS0759", "CS0165", "CS0177"];

    private static readonly string[] Replaced = ["Mesh.", "Grpc.", "TorchSharp.", "Microsoft.ML.Tokenizers.", "StackExchange.Redis."];

    private readonly IReadOnlyList<MetadataReference> _platform = Platform();
    private readonly Dictionary<string, (MetadataReference? Reference, IReadOnlyList<string> Errors)> _built = new(StringComparer.Ordinal);
    private readonly Lazy<(MetadataReference? Reference, IReadOnlyList<string> Errors)> _lists;

    public ListedBuild() => _lists = new(() =>
    {
        var lines = Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "api"), "*.txt").SelectMany(File.ReadLines)
            .Where(x => !OfOtherPackages.Any(package => x.Contains(package, StringComparison.Ordinal)));
        return Emit("Listed", [Parse(new StubWriter(ListReader.Read(lines), Interfaces).Write(), "lists")], _platform);
    });

    /// <summary>What is wrong with the lists as C#.</summary>
    public IReadOnlyList<string> ErrorsOfTheLists => _lists.Value.Errors;

    /// <summary>What a compiler that sees the whole API has against a project.</summary>
    /// <param name="project">Its project file, relative to the root.</param>
    public IReadOnlyList<string> Errors(string project) => Build(project).Errors;

    private (MetadataReference? Reference, IReadOnlyList<string> Errors) Build(string project)
    {
        if (_built.TryGetValue(project, out var done)) return done;
        var inner = Referenced(project).Select(Build).ToList();
        var faults = inner.SelectMany(x => x.Errors).ToList();
        if (faults.Count > 0) return _built[project] = (null, faults);
        var trees = Sources(project).Select(x => Parse(Tree.Read(x), x)).Concat(Generated(Path.GetFileNameWithoutExtension(project)));
        return _built[project] = Emit(AssemblyName(project), trees, [.. _platform, _lists.Value.Reference!, .. inner.Select(x => x.Reference!)]);
    }

    /// <summary>The files of the project's folder, and those of others that it names.</summary>
    private static IEnumerable<string> Sources(string project)
    {
        var folder = Path.GetDirectoryName(project)!.Replace('\\', '/');
        var linked = XDocument.Parse(Tree.Read(project)).Descendants("Compile").Select(x => x.Attribute("Include")?.Value).OfType<string>()
            .Select(x => Relative(folder, x)).ToList();
        return Tree.Files(".cs").Where(x => x.StartsWith(folder + "/", StringComparison.Ordinal)
            || linked.Any(y => x == y || (y.EndsWith("/*.cs", StringComparison.Ordinal) && Path.GetDirectoryName(x) == Path.GetDirectoryName(y))));
    }

    private static string Relative(string folder, string included)
    {
        var path = included.Contains("$(MeshRoot)", StringComparison.Ordinal) ? included.Replace("$(MeshRoot)", "", StringComparison.Ordinal) : Path.Combine(folder, included);
        return Path.GetRelativePath(Repository.Root, Repository.PathOf(path)).Replace('\\', '/');
    }

    private static (MetadataReference? Reference, IReadOnlyList<string> Errors) Emit(string name, IEnumerable<SyntaxTree> trees, IEnumerable<MetadataReference> references)
    {
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable);
        var all = trees.ToList();
        if (all.Any(x => x.GetRoot().ChildNodes().Any(node => node.IsKind(SyntaxKind.GlobalStatement)))) options = options.WithOutputKind(OutputKind.ConsoleApplication);
        var compilation = CSharpCompilation.Create(name, all, references, options);
        var errors = compilation.GetDiagnostics().Where(x => x.Severity == DiagnosticSeverity.Error).ToList();
        var ours = errors.Where(x => !OfGenerators.Contains(x.Id)).Select(Describe).ToList();
        if (ours.Count > 0) return (null, ours);
        return (compilation.ToMetadataReference(), []);
    }

    private static string Describe(Diagnostic fault)
    {
        var start = fault.Location.GetLineSpan();
        return $"{start.Path}:{start.StartLinePosition.Line + 1}: {fault.GetMessage(null)}";
    }

    private static IEnumerable<string> Referenced(string project)
    {
        var folder = Path.GetDirectoryName(project)!;
        var named = XDocument.Parse(Tree.Read(project)).Descendants("ProjectReference").Select(x => Relative(folder, x.Attribute("Include")!.Value));
        var own = project.StartsWith("tests/", StringComparison.Ordinal) && project.EndsWith("Tests.csproj", StringComparison.Ordinal) ? ["tests/Mesh.Testing/Mesh.Testing.csproj"] : Array.Empty<string>();
        var direct = named.Concat(own).ToList();
        return direct.Concat(direct.SelectMany(Referenced)).Distinct();
    }

    private static string AssemblyName(string project) =>
        XDocument.Parse(Tree.Read(project)).Descendants("AssemblyName").FirstOrDefault()?.Value ?? Path.GetFileNameWithoutExtension(project);

    /// <summary>What the build wrote for a project: its global usings, its assembly's attributes and the code of its protos.</summary>
    private static IEnumerable<SyntaxTree> Generated(string project)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var intermediate = Path.Combine(output.Parent!.Parent!.Parent!.FullName, "obj", project, output.Name);
        if (!Directory.Exists(intermediate)) throw new DirectoryNotFoundException($"{intermediate} is missing: build the whole solution first, with ./mesh build.");
        return Directory.EnumerateFiles(intermediate, "*.cs", SearchOption.AllDirectories).Select(x => Parse(File.ReadAllText(x), x));
    }

    private static SyntaxTree Parse(string text, string path) => CSharpSyntaxTree.ParseText(text, new CSharpParseOptions(LanguageVersion.Latest), path);

    /// <summary>Everything that this process can load, but for the packages themselves and our own assemblies.</summary>
    private static List<MetadataReference> Platform() => [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
        .Where(x => !Replaced.Any(prefix => Path.GetFileName(x).StartsWith(prefix, StringComparison.Ordinal)))
        .Select(x => MetadataReference.CreateFromFile(x))];
}
