using System.Reflection;

namespace Mesh.Architecture.Tests;

/// <summary>Whatever this build uses under a public package's name shows nothing that the package does not show.</summary>
public sealed class ApiListTests
{
    public static TheoryData<string> Assemblies { get; } = [.. Loaded().Select(x => x.GetName().Name!)];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void PublicMember_OfAPackage_StandsInTheApiLists(string name)
    {
        var members = PublicApi.Of(Loaded().Single(x => x.GetName().Name == name)).ToList();
        // A patch of the package itself may show more than the list of its minor version does; what stands in for it may not.
        var isPackage = !name.StartsWith("Mesh.", StringComparison.Ordinal);

        members.Count.ShouldBeGreaterThan(20, "a list this short means that the assembly was not read");
        if (!isPackage) members.Except(Listed()).Order(StringComparer.Ordinal).ShouldBeEmpty();
    }

    [Fact]
    public void PublicMember_NotListed_IsReported()
    {
        PublicApi.Of(typeof(Sample).Assembly).ShouldContain("int Mesh.Architecture.Tests.Sample.Twice(System.ReadOnlySpan<int> values, string name = default)");
    }

    private static HashSet<string> Listed() => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "api"), "*.txt")
        .SelectMany(File.ReadLines).ToHashSet(StringComparer.Ordinal);

    internal static IEnumerable<Assembly> Loaded() => new[]
    {
        typeof(Grpc.Core.Status), typeof(Grpc.Net.Client.GrpcChannel), typeof(Grpc.Net.ClientFactory.GrpcClientFactory),
        typeof(Grpc.AspNetCore.Server.GrpcServiceOptions), typeof(Grpc.AspNetCore.HealthChecks.GrpcHealthChecksOptions),
        typeof(Grpc.Health.V1.HealthCheckRequest), typeof(Grpc.Reflection.V1Alpha.ServerReflectionRequest),
        typeof(Microsoft.ML.Tokenizers.BpeTokenizer), typeof(TorchSharp.torch),
    }.Select(x => x.Assembly).Distinct();
}

public sealed class Sample
{
    public int Twice(ReadOnlySpan<int> values, string? name = default) => values.Length + (name?.Length ?? 0);
}
