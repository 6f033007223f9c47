namespace Mesh.Interop.Tests;

/// <summary>Clients that are not ours against our server. The scenarios themselves stand in tests/interop.</summary>
/// <param name="run">The client's run.</param>
public abstract class TheirClientTests(TheirClientRun run)
{
    private static readonly string[] Names =
    [
        "unary", "empty", "server_stream", "server_stream_empty", "client_stream", "duplex",
        "large", "too_large_for_server", "too_large_for_client",
        "deadline", "deadline_in_stream", "cancel_unary", "cancel_server_stream", "cancel_duplex",
        "status_codes", "status_after_replies", "rich_error", "metadata", "metadata_with_error", "unknown_method",
        "gzip", "gzip_stream", "tls", "tls_untrusted", "mutual_tls", "mutual_tls_without_certificate", "unix_socket",
        "concurrent", "keepalive", "health", "reflection_v1", "reflection_v1alpha",
    ];

    public static TheoryData<string> Scenarios => [.. Names];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void TheirClient_Scenario_GoesAsItShould(string scenario)
    {
        run.Results.TryGetValue(scenario, out var result).ShouldBeTrue("The client did not report it.");
        result!.Ok.ShouldBeTrue(result.Error);
    }

    [Fact]
    public void TheirClient_WholeRun_HasNoScenarioThatNoTestLooksAt() =>
        run.Results.Keys.Order().ShouldBe(Names.Order());
}

public sealed class NodeClientTests(NodeClientRun run) : TheirClientTests(run), IClassFixture<NodeClientRun>;

public sealed class PythonClientTests(PythonClientRun run) : TheirClientTests(run), IClassFixture<PythonClientRun>;
