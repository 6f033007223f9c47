using System.Net;
using Mesh.Cli.Up;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Up;

public sealed class MeshPlanTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeServices _services = new();
    private readonly RunFolder _run;

    public MeshPlanTests() => _run = RunFolder.Take(_folder.File("run"));

    private MeshWishes Wishes { get; } = new()
    {
        Grpc = new ListenPlace(IPAddress.Loopback, 1001), Http = new ListenPlace(IPAddress.Loopback, 1002), WithRedis = false, BuiltInModel = "/models/emoji",
    };

    public void Dispose()
    {
        _run.Dispose();
        _services.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Plan_NothingAsked_IsThreeStagesAndAGatewayThatKnowsThem()
    {
        var plan = Make(Wishes);

        plan.Children.Select(x => x.Name).ShouldBe(["text", "generator", "decoder", "gateway"]);
        var text = plan.Children[0];
        text.Command[0].ShouldBe(Path.Combine(_services.Folder, "Mesh.TextEncoder"));
        text.Command.ShouldContain($"--Mesh:Listen:Grpc=unix:{_run.Socket("text")}");
        text.Command.ShouldContain("--Mesh:Models:emoji:Folder=/models/emoji");
        text.Environment["MESH_PARENT"].ShouldBe("stdin");
        var gateway = plan.Children[3];
        gateway.Command.ShouldContain("--Mesh:Listen:Grpc=127.0.0.1:1001");
        gateway.Command.ShouldContain("--Mesh:Listen:Http=127.0.0.1:1002");
        gateway.Command.ShouldContain($"--Mesh:Stages:Decoder:0=unix:{_run.Socket("decoder")}");
        gateway.Command.ShouldContain("--Mesh:DefaultModel=emoji");
        gateway.StopTurn.ShouldBeLessThan(text.StopTurn);
    }

    [Fact]
    public void Plan_Replicas_AreProcessesWithSocketsOfTheirOwn()
    {
        var plan = Make(Wishes with { Replicas = new Dictionary<string, int> { ["generator"] = 2 } });

        plan.Children.Select(x => x.Name).ShouldBe(["text", "generator-1", "generator-2", "decoder", "gateway"]);
        plan.Children[^1].Command.ShouldContain($"--Mesh:Stages:Generator:1=unix:{_run.Socket("generator-2")}");
    }

    [Fact]
    public void Plan_Trainer_HasAQueueThatIsKeptAndModelsThatItCanReplace()
    {
        var root = _folder.File("training");
        var wishes = Wishes with { Trainer = new TrainerWish(root, new ListenPlace(IPAddress.Loopback, 1003)) };

        var plan = Make(wishes);

        plan.Children.Select(x => x.Name).ShouldBe(["queue", "trainer", "text", "generator", "decoder", "gateway"]);
        File.ReadAllText(plan.Children[0].Command[^1]).ShouldContain("appendonly yes");
        var trainer = plan.Children[1];
        trainer.Command.ShouldContain($"--Mesh:Trainer:Root={root}");
        trainer.Command.ShouldContain("--Mesh:Trainer:Gateway=http://127.0.0.1:1001");
        trainer.Command.ShouldContain("--Mesh:Listen:Grpc=127.0.0.1:1003");
        trainer.Environment["Mesh__Trainer__Redis"].ShouldStartWith("127.0.0.1:");
        var description = Path.Combine(root, "models", "emoji.model");
        plan.Children[3].Command.ShouldContain($"--Mesh:Models:emoji:Folder={description}");
        File.ReadAllText(description).ShouldBe("base: /models/emoji\n");

        File.WriteAllText(description, "base: emoji/0001\n");
        Make(wishes);
        File.ReadAllText(description).ShouldBe("base: emoji/0001\n", "what was promoted is still served after a restart");
    }

    [Fact]
    public void Plan_Upsampler_RunsWhereItHasWeights()
    {
        var plan = Make(Wishes with { Upsamplers = [("aura", "/models/aura")] });

        plan.Children.Select(x => x.Name).ShouldContain("upsampler");
        plan.Children.ShouldAllBe(x => x.Command.Contains("--Mesh:Upsamplers:aura:Folder=/models/aura"));
    }

    [Fact]
    public void Plan_OneProcess_IsOne()
    {
        var child = Make(Wishes with { OneProcess = true }).Children.ShouldHaveSingleItem();

        child.Command[0].ShouldEndWith("Mesh.OneProcess");
        child.Command.ShouldContain("--Mesh:Listen:Http=127.0.0.1:1002");
    }

    [Fact]
    public void Plan_ConfigFile_IsHandedOnAndDecidesWhatItSays()
    {
        var file = _folder.File("mesh.json");
        File.WriteAllText(file, """
            {
              // Comments and trailing commas are welcome, as in every configuration file of .NET.
              "mesh": { "models": { "sd": { "Folder": "/sd" } }, "Stages": { "Generator": ["http://gpu:50062"] }, "Redis": { "Cache": "cache:6379" }, "Drain": { "Timeout": "00:01:00" }, },
            }
            """);

        var plan = Make(Wishes with { WithRedis = true }, file);

        plan.HasRedis.ShouldBeFalse();
        plan.Children.Select(x => x.Name).ShouldBe(["text", "decoder", "gateway"]);
        var words = string.Join(' ', plan.Children[^1].Command);
        words.ShouldContain($"--config {file}");
        words.ShouldNotContain("emoji");
        words.ShouldNotContain("Drain");
        words.ShouldNotContain("Stages:Generator");
    }

    [Fact]
    public void Plan_Redis_IsToldToTheGatewayAloneAndOutOfSight()
    {
        var plan = Make(Wishes with { WithRedis = true });

        plan.HasRedis.ShouldBeTrue();
        plan.Children[0].Name.ShouldBe("redis");
        var gateway = plan.Children[^1];
        gateway.Environment["Mesh__Redis__Cache"].ShouldStartWith("127.0.0.1:");
        string.Join(' ', gateway.Command).ShouldNotContain("password");
        plan.Children.Where(x => x.Name != "gateway").ShouldAllBe(x => !x.Environment.ContainsKey("Mesh__Redis__Cache"));
    }

    [Fact]
    public void Plan_SettingsAndNamedParts_ReachEveryProcess()
    {
        var plan = Make(Wishes with { Models = [("b", "/b"), ("a", "/a")], Loras = [("ink", "/ink")], Controls = [("canny", "/canny")], Settings = [("Batching:MaxBatch", "4")] });

        foreach (var word in new[] { "--Mesh:Loras:ink:File=/ink", "--Mesh:Controls:canny:Folder=/canny", "--Mesh:Batching:MaxBatch=4", "--Mesh:DefaultModel=b", "--Mesh:Models:a:Folder=/a" })
            plan.Children.ShouldAllBe(x => x.Command.Contains(word));
    }

    [Fact]
    public void Plan_NoModelAnywhere_SaysHowToNameOne() =>
        Should.Throw<ArgumentException>(() => Make(Wishes with { BuiltInModel = null })).Message.ShouldContain("--model ID=FOLDER");

    [Fact]
    public void Config_Settings_GoBeforeTheFile()
    {
        var file = _folder.File("mesh.json");
        File.WriteAllText(file, """{ "Mesh": { "Listen": { "Grpc": "https://0.0.0.0:443" }, "Tls": null } }""");

        var config = ConfigFile.Read(file, [("Tls:Certificate", "a.pem"), ("listen:http", "127.0.0.1:81")]);

        (config.Has("Tls"), config.Has("Tls:Certificate"), config.Has("Tls:Key"), ConfigFile.Read(file).Has("Tls")).ShouldBe((true, true, false, false));
        (config.Text("Listen:Http"), config.Text("Listen:Grpc"), config.Text("Peer:Key")).ShouldBe(("127.0.0.1:81", "https://0.0.0.0:443", null));
        ListenPlace.Parse(config.Text("Listen:Grpc")!, "--grpc").ForClient(isSecure: true).ShouldBe("https://127.0.0.1:443");
    }

    [Fact]
    public void Config_ThatIsNoJson_IsRefusedByName()
    {
        var file = _folder.File("mesh.json");
        File.WriteAllText(file, "{ mesh");

        Should.Throw<InvalidDataException>(() => ConfigFile.Read(file)).Message.ShouldStartWith(file);
    }

    [Fact]
    public void Programs_OfABuild_ArePickedBesideThisOneInTheSameKind()
    {
        foreach (var kind in new[] { "debug", "release" })
        {
            Directory.CreateDirectory(_folder.File($"bin/Mesh.Gateway/{kind}"));
            File.WriteAllText(_folder.File($"bin/Mesh.Gateway/{kind}/Mesh.Gateway.dll"), "");
        }

        var found = new ServicePrograms([_folder.File("bin/Mesh.Cli/../{0}/release")]).Find("Mesh.Gateway");

        found[^1].ShouldBe(_folder.File("bin/Mesh.Gateway/release/Mesh.Gateway.dll"));
        Path.GetFileName(found[0]).ShouldBe("dotnet");
    }

    [Fact]
    public void Programs_NotBuilt_SaysHow() =>
        Should.Throw<FileNotFoundException>(() => new ServicePrograms([_folder.Path]).Find("Mesh.Gateway")).Message.ShouldContain("./mesh build");

    private MeshPlan Make(MeshWishes wishes, string? config = null) => MeshPlan.Make(wishes, ConfigFile.Read(config), _run, new ServicePrograms([_services.Folder]));
}
