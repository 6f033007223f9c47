using System.Security.Cryptography;
using System.Text;
using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>Clients that are not ours generate with a whole mesh: one with the built-in model, and a tiny one that has previews.</summary>
public sealed class InteropRuns : IAsyncLifetime
{
    private const string Tiny = "tiny";

    private readonly TempFolder _folder = new();

    /// <summary>What each client reported, by client and scenario.</summary>
    public Dictionary<string, IReadOnlyDictionary<string, ScenarioResult>> Results { get; } = [];

    public async Task InitializeAsync()
    {
        (string, string?)[] models =
        [
            ($"Mesh:Models:{Tiny}:Folder", ProceduralModels.WritePipeline(_folder.File("pipeline"), "instaflow_1step")),
            ($"Mesh:Models:{Tiny}:Preview", ProceduralModels.WriteTinyDecoder(_folder.File("taesd"))),
        ];
        await using (var mesh = await RunningMesh.StartAsync(models))
        {
            var settings = new { grpc = mesh.Address, model = RunningMesh.Emoji, preview_model = Tiny };
            Results["grpc-js"] = await ScenarioRun.RunAsync(Language.Node, "image_client", settings);
            Results["grpcio"] = await ScenarioRun.RunAsync(Language.Python, "image_client", settings);
        }

        const string key = "msh-interop";
        (string, string?)[] keys = [("Mesh:Keys:0:Name", "interop"), ("Mesh:Keys:0:Sha256", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))), ("Mesh:DefaultModel", Tiny)];
        await using (var mesh = await RunningMesh.StartAsync([.. models, .. keys]))
            Results["openai"] = await ScenarioRun.RunAsync(Language.Node, "openai_client", new { url = mesh.Http, key, previews = true });
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }
}

/// <summary>The scenarios stand in tests/interop.</summary>
public sealed class InteropTests(InteropRuns runs) : IClassFixture<InteropRuns>
{
    private static readonly string[] OfGrpc =
    [
        "capabilities", "models", "generate", "generate_alike", "as_they_are_made", "previews", "formats", "replay", "cancel", "deadline", "bad_fields",
        "unknown_names", "concurrent", "healthy",
    ];

    private static readonly Dictionary<string, string[]> Names = new()
    {
        ["grpc-js"] = OfGrpc,
        ["grpcio"] = OfGrpc,
        ["openai"] = ["generate", "generate_alike", "stream", "stream_abandoned", "models", "unknown_model", "bad_field", "url_refused", "stream_refused", "wrong_key"],
    };

    public static TheoryData<string, string> Scenarios
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (client, names) in Names)
            {
                foreach (var name in names) data.Add(client, name);
            }
            return data;
        }
    }

    public static TheoryData<string> Clients => [.. Names.Keys];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void TheirClient_Scenario_GoesAsItShould(string client, string scenario)
    {
        runs.Results[client].TryGetValue(scenario, out var result).ShouldBeTrue("The client did not report it.");
        result!.Ok.ShouldBeTrue(result.Error);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public void TheirClient_WholeRun_HasNoScenarioThatNoTestLooksAt(string client) => runs.Results[client].Keys.Order().ShouldBe(Names[client].Order());
}
