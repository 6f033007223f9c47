using Mesh.Gateway.Tests.Keys;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Web;

/// <summary>One run of the official openai client, against images that are made up.</summary>
public sealed class OpenAiClientRun : IAsyncLifetime
{
    private const string Key = "msh-openai";

    /// <summary>What the client reported, by scenario.</summary>
    public IReadOnlyDictionary<string, ScenarioResult> Results { get; private set; } = new Dictionary<string, ScenarioResult>();

    public async Task InitializeAsync()
    {
        await using var gateway = await WebGateway.StartAsync(null, ("Mesh:Keys:0:Name", "openai"), ("Mesh:Keys:0:Sha256", ApiKeysTests.Hash(Key)));
        Results = await ScenarioRun.RunAsync(Language.Node, "openai_client", new { url = gateway.Http.BaseAddress!.ToString().TrimEnd('/'), key = Key, previews = true });
    }

    public Task DisposeAsync() => Task.CompletedTask;
}

/// <summary>The scenarios stand in tests/interop/node/openai_client.js.</summary>
public sealed class OpenAiClientTests(OpenAiClientRun run) : IClassFixture<OpenAiClientRun>
{
    private static readonly string[] Names =
        ["generate", "generate_alike", "stream", "stream_abandoned", "models", "unknown_model", "bad_field", "url_refused", "stream_refused", "wrong_key"];

    public static TheoryData<string> Scenarios => [.. Names];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void OpenAiClient_Scenario_GoesAsItShould(string scenario)
    {
        run.Results.TryGetValue(scenario, out var result).ShouldBeTrue("The client did not report it.");
        result!.Ok.ShouldBeTrue(result.Error);
    }

    [Fact]
    public void OpenAiClient_WholeRun_HasNoScenarioThatNoTestLooksAt() => run.Results.Keys.Order().ShouldBe(Names.Order());
}
