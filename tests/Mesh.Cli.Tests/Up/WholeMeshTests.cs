using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Imaging;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Up;

/// <summary>mesh up with the real services and the built-in model, as a process, as a person would run it.</summary>
[Collection(nameof(WholeMeshTests))]
[CollectionDefinition(nameof(WholeMeshTests), DisableParallelization = true)]
public sealed class WholeMeshTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly int _grpc = FreePort();
    private readonly int _http = FreePort();

    private string Address => $"http://127.0.0.1:{_grpc}";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Up_EveryStageKilledInTurn_GoesOnAndThenLeavesNothing()
    {
        await using var mesh = StartMesh();
        var words = await ReadyAsync(mesh);

        words.ShouldContain(x => x.Contains($"gRPC  {Address}"));
        words.ShouldContain(x => x.Contains($"./mesh generate \"3d emoji of a red apple\" --out apple.png --address {Address}"));
        words.ShouldContain(x => x.Contains($"curl -s http://127.0.0.1:{_http}/v1/images/generations"));
        var first = ImageCodec.Decode(File.ReadAllBytes(_folder.File("first.png")));
        (first.Width, first.Height).ShouldBe((64, 64));
        var before = await GenerateAsync("before.png");
        var ids = new List<int>();
        foreach (var name in new[] { "text", "generator", "decoder", "gateway" })
        {
            var id = IdOf(name);
            using (var stage = Process.GetProcessById(id)) stage.Kill();
            await SaidAsync(mesh, $"{name} ended, killed by signal 9");

            (await GenerateAsync("after.png")).ShouldBe(before, $"after {name} was killed");

            var again = await SaidAsync(mesh, $"{name} was started again, process ");
            ids.Add(int.Parse(again.Split(' ')[^1]));
        }

        await ChildProgram.RunAsync("kill", ["-TERM", $"{mesh.Id}"]);

        (await mesh.WaitForExitAsync()).ShouldBe(ExitCode.Done, mesh.Errors);
        foreach (var id in ids) await GoneAsync(id);
        Directory.EnumerateFiles(_folder.File("run/sockets")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Up_KilledItself_LeavesNoServiceAndNoPort()
    {
        await using var mesh = StartMesh("--replicas", "generator=2");
        await ReadyAsync(mesh);
        var ids = new[] { "text", "generator-1", "generator-2", "decoder", "gateway" }.Select(IdOf).ToList();

        await ChildProgram.RunAsync("kill", ["-KILL", $"{mesh.Id}"]);

        foreach (var id in ids) await GoneAsync(id);
        using var again = new TcpListener(IPAddress.Loopback, _grpc);
        again.Start();
    }

    [Fact]
    public async Task Up_OneProcess_GivesTheSameBytesAsTheSplitMeshAndCanBeMeasured()
    {
        await using var mesh = StartMesh("--one-process", "--no-redis");
        await ReadyAsync(mesh);

        var image = await GenerateAsync("one.png");

        using var local = new StringWriter();
        (await CommandTree.RunAsync(
            ["generate", "3d emoji of a fox", "--seed", "3", "--out", _folder.File("local.png"), "--local", Repository.PathOf("deploy", "models", "emoji")], local, local).DefaultTimeout()).ShouldBe(ExitCode.Done);
        ImageCodec.Decode(image).Pixels.ShouldBe(ImageCodec.Decode(File.ReadAllBytes(_folder.File("local.png"))).Pixels);
        using var status = new StringWriter();
        (await CommandTree.RunAsync(["status", "--address", Address], status, status).DefaultTimeout()).ShouldBe(ExitCode.Done);
        Regex.Count(status.ToString(), " serving ").ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task Bench_Serve_MeasuresEveryPart()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var json = _folder.File("bench.json");

        (await CommandTree.RunAsync(
            ["bench", "serve", "--seconds", "0.2", "--runs", "2", "--callers", "1,2", "--batches", "1", "--rates", "0.5", "--json", json], output, error).WaitAsync(TimeSpan.FromMinutes(3)))
            .ShouldBe(ExitCode.Done, error.ToString());

        using var report = JsonDocument.Parse(File.ReadAllText(json));
        var root = report.RootElement;
        root.GetProperty("overhead").GetProperty("meshMs").GetDouble().ShouldBeGreaterThan(0);
        root.GetProperty("concurrency").GetArrayLength().ShouldBe(2);
        root.GetProperty("batch").GetArrayLength().ShouldBe(1);
        root.GetProperty("openLoop").GetArrayLength().ShouldBe(1);
        root.GetProperty("concurrency")[1].GetProperty("images").GetInt32().ShouldBeGreaterThan(0);
        root.GetProperty("cache")[0].GetProperty("cacheHits").GetDouble().ShouldBe(0);
        root.GetProperty("deviceKind").GetString().ShouldStartWith("cpu");
        foreach (var word in new[] { "overhead:", "throughput by callers", "throughput by largest batch", "latency at a rate", "known prompts" }) output.ToString().ShouldContain(word);
    }

    private ChildProgram StartMesh(params string[] more) => ChildProgram.Start(
        "dotnet",
        [Path.Combine(AppContext.BaseDirectory, "mesh.dll"), "up", "--run", _folder.File("run"), "--grpc", $"{_grpc}", "--http", $"{_http}", .. more],
        environment: new Dictionary<string, string> { ["MESH_PARENT"] = "stdin" });

    private static async Task<List<string>> ReadyAsync(ChildProgram mesh)
    {
        var lines = new List<string>();
        do lines.Add(await mesh.ReadLineAsync());
        while (!lines[^1].Contains("Ctrl-C", StringComparison.Ordinal));
        return lines;
    }

    private static async Task<string> SaidAsync(ChildProgram mesh, string words)
    {
        string line;
        do line = await mesh.ReadLineAsync();
        while (!line.Contains(words, StringComparison.Ordinal));
        return line;
    }

    /// <summary>One image by the mesh; the client's own retries bear with a gateway that is just starting again.</summary>
    private async Task<byte[]> GenerateAsync(string name)
    {
        using var output = new StringWriter();
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        string[] words = ["generate", "3d emoji of a fox", "--seed", "3", "--out", _folder.File(name), "--address", Address];
        while (await CommandTree.RunAsync(words, output, output, limit.Token).DefaultTimeout() != ExitCode.Done)
        {
            // Only the gateway's own absence may reach a caller.
            output.ToString().ShouldContain("no mesh answers");
            output.GetStringBuilder().Clear();
        }
        return File.ReadAllBytes(_folder.File(name));
    }

    /// <summary>The id of a program, from the command that names its socket or, for the gateway, its port.</summary>
    private int IdOf(string name)
    {
        var mark = name == "gateway" ? $"--Mesh:Listen:Grpc=127.0.0.1:{_grpc}" : $"--Mesh:Listen:Grpc=unix:{_folder.File($"run/sockets/{name}.sock")}";
        return Directory.EnumerateDirectories("/proc").Select(x => int.TryParse(Path.GetFileName(x), out var id) ? id : 0)
            .Single(id => id > 0 && CommandOf(id).Split('\0').Contains(mark));
    }

    private static string CommandOf(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline");
        }
        catch (IOException)
        {
            // It has ended in between.
            return "";
        }
    }

    private static async Task GoneAsync(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            await process.WaitForExitAsync().DefaultTimeout();
        }
        catch (ArgumentException)
        {
            // Gone already.
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
