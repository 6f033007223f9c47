using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Mesh.Cli.Up;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Up;

public sealed class UpCommandTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeServices _services = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _services.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("--grpc")]
    [InlineData("--http")]
    public async Task Up_PortTaken_SaysWhichAndStartsNothing(string option)
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var free = option == "--grpc" ? "--http" : "--grpc";

        (await Run("up", option, $"{port}", free, $"{FreePort()}")).ShouldBe(ExitCode.Failed);

        _error.ToString().Trim().ShouldBe($"mesh: 127.0.0.1:{port} is taken by another program; choose another port with {option}");
        File.ReadAllText(_services.Started).ShouldBeEmpty();
    }

    [Fact]
    public async Task Up_Twice_SaysThatOneRuns()
    {
        using var first = RunFolder.Take(_folder.File("run"));

        (await Run("up")).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain($"a mesh runs already in {_folder.File("run")} (process {Environment.ProcessId})");
    }

    [Theory]
    [InlineData("--model", "x=/no/such/folder", "/no/such/folder")]
    [InlineData("--lora", "/no/name", "NAME=PATH")]
    [InlineData("--replicas", "painter=2", "text, generator, decoder, upsampler")]
    [InlineData("--replicas", "text=0", "from 1 to 16")]
    [InlineData("--set", "nothing", "SECTION:KEY=VALUE")]
    [InlineData("--config", "/no/such/file.json", "/no/such/file.json")]
    [InlineData("--grpc", "here", "--grpc here")]
    public async Task Up_WrongWord_FailsByName(string option, string value, string fault)
    {
        (await Run("up", option, value)).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain(fault);
        _error.ToString().Trim().ShouldNotContain("\n");
    }

    [Fact]
    public async Task Up_StageThatDoesNotStart_SaysItsLastWordsAndLeavesNothing()
    {
        FakeServices.Script(Path.Combine(_services.Folder, "Mesh.Decoder"), "echo 'vae/config.json: there is no such file' >&2; exit 1");

        (await Run("up", "--grpc", $"{FreePort()}", "--http", $"{FreePort()}", "--no-redis")).ShouldBe(ExitCode.Failed);

        _error.ToString().ShouldContain("mesh: decoder does not start: exit code 1: vae/config.json: there is no such file");
        foreach (var line in File.ReadAllLines(_services.Started)) await GoneAsync(int.Parse(line.Split(' ')[0]));
    }

    [Theory]
    [InlineData("-TERM")]
    [InlineData("-INT")]
    [InlineData("-KILL")]
    public async Task Up_Ended_LeavesNoProcess(string signal)
    {
        await using var mesh = StartMesh();
        var started = await _services.WaitStartedAsync(4);
        var ids = started.Select(x => int.Parse(x.Split(' ')[0])).ToList();
        var redis = await RedisIdAsync(_folder.File("run"));

        await ChildProgram.RunAsync("kill", [signal, $"{mesh.Id}"]);

        foreach (var id in ids.Append(redis)) await GoneAsync(id);
        (await mesh.WaitForExitAsync()).ShouldBe(signal == "-KILL" ? 137 : ExitCode.Cancelled);
    }

    [Fact]
    public async Task Up_ParentGone_LeavesNoProcess()
    {
        await using var mesh = StartMesh();
        var started = await _services.WaitStartedAsync(4);

        mesh.CloseInput();

        (await mesh.WaitForExitAsync()).ShouldBe(ExitCode.Cancelled);
        foreach (var line in started) await GoneAsync(int.Parse(line.Split(' ')[0]));
    }

    // Whoever runs tests in the background has them, and all that they start, ignore SIGINT.
    private ChildProgram StartMesh() => ChildProgram.Start(
        "env",
        [
            "--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, "mesh.dll"), "up",
            "--run", _folder.File("run"), "--services", _services.Folder, "--grpc", $"{FreePort()}", "--http", $"{FreePort()}",
        ],
        environment: new Dictionary<string, string> { ["MESH_PARENT"] = "stdin" });

    private static async Task<int> RedisIdAsync(string run)
    {
        var log = Path.Combine(run, "logs", "redis.log");
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(log)!);
        var changed = new SemaphoreSlim(0);
        watcher.Changed += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (true)
        {
            // Each line of Redis begins with its process id.
            var line = File.Exists(log) ? File.ReadLines(log).FirstOrDefault(x => x.Contains("Ready to accept", StringComparison.Ordinal)) : null;
            if (line is not null) return int.Parse(line.Split(':')[0]);
            await changed.WaitAsync().DefaultTimeout();
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

    private Task<int> Run(params string[] words) =>
        CommandTree.RunAsync([.. words, "--run", _folder.File("run"), "--services", _services.Folder], _output, _error).DefaultTimeout();
}
