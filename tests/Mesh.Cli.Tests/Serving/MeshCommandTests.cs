using Grpc.Core;
using Mesh.Client.Tests;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Stage.V1;
using Mesh.Testing;
using Answers = Mesh.Client.Tests.FakeGateway.Answers;

namespace Mesh.Cli.Tests.Serving;

public sealed class MeshCommandTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private FakeGateway _gateway = null!;

    public async Task InitializeAsync() => _gateway = await FakeGateway.StartAsync();

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Generate_Four_WritesFourFilesAndALineEach()
    {
        (await Run("generate", "a red apple", "--count", "4", "--seed", "7", "--out", _folder.File("apple.png"))).ShouldBe(ExitCode.Done, _error.ToString());

        for (var i = 0; i < 4; i++) File.ReadAllBytes(_folder.File($"apple-{i + 1}.png")).ShouldBe(FakeGateway.FileOf((ulong)(7 + i)));
        var lines = _output.ToString().Trim().Split('\n');
        lines.Length.ShouldBe(6);
        lines[0].ShouldStartWith("model fake c0ffee, request ");
        lines[1].ShouldBe("prompt: 2.0 ms for 3, waited 0.0 ms");
        lines[5].ShouldBe($"{_folder.File("apple-4.png")}: seed 10, 64 x 32, 0.01 s (generate 20.0 ms, waited 0.0 ms, decode 30.0 ms for 2, waited 0.0 ms)");
    }

    [Fact]
    public async Task Generate_EveryWord_ReachesTheMesh()
    {
        File.WriteAllBytes(_folder.File("layout.png"), [9, 8]);

        (await Run(
            "generate", "a cat", "--out", _folder.File("cat.webp"), "--seed", "-1", "--model", "sd", "--steps", "2", "--guidance", "1.5", "--negative", "dogs", "--size", "64x96",
            "--lora", "ink:0.5", "--lora", "wax", "--control", _folder.File("layout.png"), "--control-model", "canny", "--control-scale", "0.5", "--preview", "--upscale", "--quality", "80",
            "--key", "sesame", "--request-id", "3f2504e0-4f89-41d3-9a0c-0305e82c3301")).ShouldBe(ExitCode.Done, _error.ToString());

        var sent = _gateway.Told.Generated.ShouldHaveSingleItem();
        (sent.Prompt, sent.NegativePrompt, sent.Model, sent.Steps, sent.Guidance, sent.Count).ShouldBe(("a cat", "dogs", "sd", 2, 1.5f, 1));
        (sent.WidthPx, sent.HeightPx, sent.Format, sent.Quality, sent.Preview).ShouldBe((64, 96, ImageFormat.Webp, 80, true));
        sent.Seeds.ShouldBe([uint.MaxValue]);
        sent.RequestId.ShouldBe("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        sent.Loras.Select(x => (x.Name, x.Weight)).ShouldBe([("ink", 0.5f), ("wax", 1f)]);
        sent.Control.Image.ToByteArray().ShouldBe([9, 8]);
        (sent.Control.Model, sent.Control.Scale).ShouldBe(("canny", 0.5f));
        sent.Upscale.ShouldNotBeNull();
        _gateway.Told.Headers.ShouldHaveSingleItem().Single(x => x.Key == "authorization").Value.ShouldBe("Bearer sesame");
        File.ReadAllBytes(_folder.File("cat.preview.png")).ShouldBe(FakeGateway.FileOf(uint.MaxValue)[..10]);
        _output.ToString().ShouldContain("256 x 128");
    }

    [Fact]
    public async Task Generate_OneOfTwoFails_KeepsTheOtherAndSaysSo()
    {
        _gateway.Told.OnGenerate = async (request, stream, _) =>
        {
            var answers = new Answers(request, stream);
            await answers.BeginAsync();
            await answers.SendAsync(new GenerateResponse { Failed = new Failed { Index = 0, Status = FakeGateway.StatusOf(StatusCode.Internal, "LOST", "the decoder is gone") } });
            await answers.ImageAsync(1);
        };

        (await Run("generate", "a cat", "--count", "2", "--out", _folder.File("cat.png"))).ShouldBe(ExitCode.Failed);

        _output.ToString().ShouldContain($"{_folder.File("cat-1.png")}: not made: the decoder is gone");
        File.Exists(_folder.File("cat-2.png")).ShouldBeTrue();
    }

    [Fact]
    public async Task Generate_MeshRefuses_SaysItsWordsInOneLine()
    {
        _gateway.Told.OnGenerate = (_, _, _) => throw FakeGateway.Fault(StatusCode.NotFound, "MODEL_NOT_FOUND", "there is no model 'sdx'; there are emoji, sd");

        (await Run("generate", "a cat", "--model", "sdx", "--out", _folder.File("cat.png"))).ShouldBe(ExitCode.Failed);

        _error.ToString().Trim().ShouldBe("mesh: there is no model 'sdx'; there are emoji, sd");
    }

    [Fact]
    public async Task Generate_WrongKey_SaysWhereItComesFrom()
    {
        _gateway.Told.OnGenerate = (_, _, _) => throw FakeGateway.Fault(StatusCode.Unauthenticated, "NO_KEY", "a key is needed");

        (await Run("generate", "a cat", "--out", _folder.File("cat.png"))).ShouldBe(ExitCode.Failed);

        _error.ToString().Trim().ShouldBe("mesh: a key is needed (give a key with --key or MESH_KEY)");
    }

    [Theory]
    [InlineData("generate", "a cat")]
    [InlineData("models")]
    [InlineData("models", "load", "sd")]
    [InlineData("status")]
    public async Task Command_NoMesh_SaysHowToStartOne(params string[] words)
    {
        var address = "unix:" + _folder.File("nobody.sock");

        (await CommandTree.RunAsync([.. words, "--address", address, "--timeout", "0.5"], _output, _error).DefaultTimeout()).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldStartWith($"mesh: no mesh answers at {address}: ./mesh up starts one");
        _error.ToString().Trim().ShouldNotContain("\n");
    }

    [Theory]
    [InlineData("--recipe", "magic", "--recipe works with --local only")]
    [InlineData("--dtype", "bf16", "--dtype works with --local only")]
    [InlineData("--lora", "ink:much", "NAME:WEIGHT")]
    [InlineData("--control", "/no/such/file.png", "/no/such/file.png")]
    [InlineData("--timeout", "0", "--timeout 0")]
    [InlineData("--ca", "/no/such/ca.pem", "/no/such/ca.pem")]
    public async Task Generate_WrongWord_FailsByName(string option, string value, string fault)
    {
        string[] words = option == "--ca" ? ["generate", "a cat", "--address", "https://localhost", option, value] : ["generate", "a cat", "--address", _gateway.Address, option, value];

        (await CommandTree.RunAsync(words, _output, _error).DefaultTimeout()).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain(fault);
        _gateway.Told.Generated.ShouldBeEmpty();
    }

    [Fact]
    public async Task Upscale_Image_WritesItAndSaysItsSize()
    {
        File.WriteAllBytes(_folder.File("in.png"), [1, 2, 3]);

        (await Run("upscale", _folder.File("in.png"), _folder.File("out.jpg"), "--fast", "--seed", "3", "--quality", "70", "--model", "aura")).ShouldBe(ExitCode.Done, _error.ToString());

        File.ReadAllBytes(_folder.File("out.jpg")).ShouldBe(FakeGateway.FileOf(0, 1000));
        var sent = _gateway.Told.Upscaled.ShouldHaveSingleItem();
        (sent.Options.Blending, sent.Options.Seed, sent.Format, sent.Quality, sent.Model).ShouldBe((TileBlending.None, 3UL, ImageFormat.Jpeg, 70, "aura"));
        _output.ToString().ShouldContain("2 tiles");
    }

    [Theory]
    [InlineData("in.png", "out.gif", "out.gif")]
    [InlineData("none.png", "out.png", "none.png")]
    public async Task Upscale_WrongFile_FailsByName(string source, string target, string fault)
    {
        File.WriteAllBytes(_folder.File("in.png"), [1]);

        (await Run("upscale", _folder.File(source), _folder.File(target))).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain(fault);
    }

    [Fact]
    public async Task Models_List_IsATable()
    {
        _gateway.Told.OnListModels = _ => new ListModelsResponse
        {
            Models =
            {
                new ModelInfo
                {
                    Model = new ModelRef { Id = FakeGateway.ModelId, Version = "0123456789abcdef" }, Recipe = "instaflow", DefaultSteps = 1, DefaultGuidance = 1.5f, WidthPx = 64, HeightPx = 64,
                    Loras = { "ink", "wax" }, Loaded = true,
                },
            },
        };

        (await Run("models")).ShouldBe(ExitCode.Done, _error.ToString());

        var row = _output.ToString().Split('\n').Single(x => x.Contains("fake (default)"));
        foreach (var word in new[] { "0123456789ab ", "instaflow", "64 x 64", "1.5", "ink, wax", "yes" }) row.ShouldContain(word);
    }

    [Fact]
    public async Task Models_Json_IsALineEach()
    {
        _gateway.Told.OnListModels = _ => new ListModelsResponse { Models = { new ModelInfo { Model = new ModelRef { Id = "a" } }, new ModelInfo { Model = new ModelRef { Id = "b" } } } };

        (await Run("models", "--json")).ShouldBe(ExitCode.Done);

        _output.ToString().Trim().Split('\n').Select(x => ModelInfo.Parser.ParseJson(x).Model.Id).ShouldBe(["a", "b"]);
    }

    [Theory]
    [InlineData("load")]
    [InlineData("unload")]
    public async Task Models_Change_TellsEachReplicasAnswer(string verb)
    {
        (await Run("models", verb, "sd")).ShouldBe(ExitCode.Done);
        _output.ToString().Trim().ShouldBe("text unix:/text.sock: done");

        _gateway.Told.OnModel = id => new ReplicaOutcome { Stage = "text", Address = "unix:/text.sock", Status = FakeGateway.StatusOf(StatusCode.NotFound, "MODEL_NOT_FOUND", $"no {id}") };
        (await Run("models", verb, "sd")).ShouldBe(ExitCode.Failed);
        _output.ToString().ShouldContain("text unix:/text.sock: no sd");
    }

    [Fact]
    public async Task Status_OfThreeReplicas_ShowsLoadAndCosts()
    {
        _gateway.Told.OnStatus = () => new GetStatusResponse
        {
            Build = "1.2.3", UptimeUs = 3_723_000_000, Calls = 5, SharedCache = true,
            Replicas =
            {
                new Replica
                {
                    Stage = "generator", Address = "unix:/g.sock", State = ReplicaState.Serving, InFlight = 3,
                    Info = new GetStageResponse
                    {
                        Device = "cuda:1", CapacityPerS = 42.5, Costs = { new BatchCost { BatchSize = 1, ComputeUs = 17_800 }, new BatchCost { BatchSize = 4, ComputeUs = 39_600 } },
                        Statistics = new StageStatistics { Waiting = 2, Completed = 1234, Cancelled = 7, BusyUs = 5_000_000, WastedUs = 250_000 },
                        Models = { new StageModel { Model = new ModelRef { Id = "sd" }, Loaded = true, MemoryBytes = 512 << 20 }, new StageModel { Model = new ModelRef { Id = "off" } } },
                    },
                },
                new Replica { Stage = "text", Address = "unix:/t.sock", State = ReplicaState.Unreachable },
            },
            Ratios = { new StageRatio { Stage = "text", Replicas = 1 }, new StageRatio { Stage = "generator", Replicas = 2.25 } },
        };

        (await Run("status")).ShouldBe(ExitCode.Done, _error.ToString());

        var text = _output.ToString();
        text.ShouldContain("build 1.2.3, up 0.01:02:03, 5 calls in flight, embeddings shared through Redis");
        var row = text.Split('\n').First(x => x.Contains("unix:/g.sock"));
        foreach (var word in new[] { "serving", "cuda:1", "1234", "5.0 s", "0.3 s", "sd 512 MiB" }) row.ShouldContain(word);
        row.ShouldNotContain("off");
        text.Split('\n').First(x => x.Contains("unix:/t.sock")).ShouldContain("unreachable");
        text.ShouldContain("1: 17.8 ms, 4: 39.6 ms");
        text.ShouldContain("42.5 a second");
        text.ShouldContain("busy alike with 1 text, 2.25 generator");
    }

    [Fact]
    public async Task Status_Json_CanBeReadBack()
    {
        (await Run("status", "--json")).ShouldBe(ExitCode.Done);

        GetStatusResponse.Parser.ParseJson(_output.ToString()).Build.ShouldBe("test");
    }

    [Fact]
    public async Task Key_Drawn_HasTheHashThatTheMeshIsTold()
    {
        (await CommandTree.RunAsync(["key", "team-a"], _output, _error).DefaultTimeout()).ShouldBe(ExitCode.Done);

        var lines = _output.ToString().Trim().Split('\n');
        var key = lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        using var config = System.Text.Json.JsonDocument.Parse(lines[1]["config: ".Length..]);
        var entry = config.RootElement.GetProperty("Mesh").GetProperty("Keys")[0];
        entry.GetProperty("Name").GetString().ShouldBe("team-a");
        entry.GetProperty("Sha256").GetString().ShouldBe(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key))));
        (await CommandTree.RunAsync(["key", "two words"], _output, _error).DefaultTimeout()).ShouldBe(ExitCode.Failed);
    }

    private Task<int> Run(params string[] words) => CommandTree.RunAsync([.. words, "--address", _gateway.Address], _output, _error).DefaultTimeout();
}
