using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Mesh.Cli.Up;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Up;

public sealed class SupervisorTests : IDisposable
{
    private static readonly BackOff Quick = new(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(4), TimeSpan.FromHours(1));
    private readonly TempFolder _folder = new();
    private readonly ConcurrentQueue<string> _told = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Child_Killed_IsStartedAgainAndItIsToldWhy()
    {
        await using var supervisor = Supervise(Spec("text", "cat >/dev/null"));
        var child = supervisor.Children[0];
        supervisor.Start();
        // After the supervisor's own ears, so that it has told before this hears.
        var again = Signal(child);
        supervisor.MarkUp();
        var first = await IdOf(child);

        Process.GetProcessById(first).Kill();

        await again.ReadAsync().DefaultTimeout();
        var second = await IdOf(child);
        second.ShouldNotBe(first);
        _told.ToArray().ShouldBe([$"text ended, killed by signal 9; starting it again in 0 s (its log: {child.Spec.LogFile})", $"text was started again, process {second}"]);
    }

    [Fact]
    public async Task Child_EndsAgainAndAgain_WaitsLongerEachTimeAndSaysItsLastWords()
    {
        await using var supervisor = Supervise(Spec("text", "echo 'no weights here' >&2; echo '   at Some.Method()' >&2; exit 3"));
        var again = Signal(supervisor.Children[0]);
        supervisor.MarkUp();
        supervisor.Start();

        for (var i = 0; i < 3; i++) await again.ReadAsync().DefaultTimeout();

        var ends = _told.Where(x => x.Contains(" ended, ")).ToList();
        ends.Count.ShouldBeGreaterThanOrEqualTo(3);
        ends.ShouldAllBe(x => x.Contains("exit code 3: no weights here;"));
    }

    [Fact]
    public async Task Child_EndsByItselfBeforeTheMeshIsUp_IsAFailure()
    {
        await using var supervisor = Supervise(Spec("redis", "exit 1") with { IsOptional = true }, Spec("gateway", "echo 'Mesh:Listen:Grpc: no such address'; exit 2"));
        supervisor.Start();

        var fault = await Should.ThrowAsync<IOException>(() => supervisor.Failure.DefaultTimeout());

        fault.Message.ShouldBe($"gateway does not start: exit code 2: Mesh:Listen:Grpc: no such address (its log: {_folder.File("gateway.log")})");
    }

    [Fact]
    public async Task Stop_SeveralTurns_EndsThoseWhoAskFirst()
    {
        var order = _folder.File("order");
        await using var supervisor = Supervise(
            Spec("redis", $"cat >/dev/null; echo redis >>'{order}'") with { StopTurn = 2 },
            Spec("text", $"cat >/dev/null; echo text >>'{order}'") with { StopTurn = 1 },
            Spec("gateway", $"cat >/dev/null; echo gateway >>'{order}'"));
        supervisor.Start();
        var ids = new List<int>();
        foreach (var child in supervisor.Children) ids.Add(await IdOf(child));

        await supervisor.StopAsync().DefaultTimeout();

        File.ReadAllLines(order).ShouldBe(["gateway", "text", "redis"]);
        ids.ShouldAllBe(id => IsGone(id));
        _told.ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_ChildThatDoesNotListen_KillsItAndWhatItStarted()
    {
        var ready = _folder.File("grandchild");
        var spec = Spec("deaf", $"(echo $$ >/dev/null; exec sh -c 'echo $$ >\"{ready}.new\"; mv \"{ready}.new\" \"{ready}\"; while :; do read x </dev/zero; done') & wait");
        await using var supervisor = new Supervisor([spec], _told.Enqueue, Quick, TimeSpan.FromMilliseconds(50));
        using var watcher = new FileSystemWatcher(_folder.Path);
        var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        watcher.Renamed += (_, x) => { if (x.FullPath == ready) made.TrySetResult(); };
        watcher.EnableRaisingEvents = true;
        supervisor.Start();
        await made.Task.DefaultTimeout();
        using var grandchild = Process.GetProcessById(int.Parse(File.ReadAllText(ready)));

        await supervisor.StopAsync().DefaultTimeout();

        await grandchild.WaitForExitAsync().DefaultTimeout();
        _told.ShouldHaveSingleItem().ShouldContain("deaf did not end in 0.1 s and was killed");
    }

    [Fact]
    public async Task Child_ThatCannotBeStarted_IsAFailure()
    {
        await using var supervisor = Supervise(new ChildSpec("ghost", ["/no/such/program"], _folder.File("ghost.log")));
        supervisor.Start();

        (await Should.ThrowAsync<IOException>(() => supervisor.Failure.DefaultTimeout())).Message.ShouldContain("/no/such/program");
    }

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(7, 30)]
    [InlineData(1000, 30)]
    public void BackOff_QuickEnds_Doubles(int ends, double seconds) => BackOff.Default.After(ends).ShouldBe(TimeSpan.FromSeconds(seconds));

    [Fact]
    public async Task Redis_OfTheMesh_AnswersItsPasswordAndEndsWithItsInput()
    {
        using var run = RunFolder.Take(_folder.File("run"));
        var redis = OwnRedis.Plan(run).ShouldNotBeNull("redis-server is needed: ./mesh test installs it");
        var (endpoint, password) = (redis.Connection.Split(",password=")[0], redis.Connection.Split(",password=")[1]);
        await using var supervisor = Supervise(redis.Spec);
        supervisor.Start();

        await SaidAsync(redis.Spec.LogFile, "Ready to accept connections");
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync("127.0.0.1", int.Parse(endpoint.Split(':')[1])).DefaultTimeout();
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"PING\r\nAUTH {password}\r\nPING\r\nCONFIG GET maxmemory-policy\r\n"));

        (await reader.ReadLineAsync().DefaultTimeout()).ShouldStartWith("-NOAUTH");
        (await reader.ReadLineAsync().DefaultTimeout()).ShouldBe("+OK");
        (await reader.ReadLineAsync().DefaultTimeout()).ShouldBe("+PONG");
        var id = await IdOf(supervisor.Children[0]);
        Process.GetProcessById(id).ProcessName.ShouldStartWith("redis-server");
        string.Join(' ', redis.Spec.Command).ShouldNotContain(password);
        await supervisor.StopAsync().DefaultTimeout();
        IsGone(id).ShouldBeTrue();
        _told.ShouldBeEmpty();
    }

    private async Task SaidAsync(string log, string words)
    {
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(log)!);
        var changed = new SemaphoreSlim(0);
        watcher.Changed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (!File.Exists(log) || !File.ReadAllText(log).Contains(words, StringComparison.Ordinal)) await changed.WaitAsync().DefaultTimeout();
        _told.ShouldBeEmpty();
    }

    private ChildSpec Spec(string name, string script) => new(name, ["/bin/sh", "-c", script], _folder.File(name + ".log"));

    private Supervisor Supervise(params ChildSpec[] specs) => new(specs, _told.Enqueue, Quick, TimeoutExtensions.Default);

    private static ChannelReader<int> Signal(Child child)
    {
        var channel = Channel.CreateUnbounded<int>();
        child.Restarted += x => channel.Writer.TryWrite(x);
        return channel.Reader;
    }

    /// <summary>The id, once the process is the program itself and no shell before it.</summary>
    private static async Task<int> IdOf(Child child)
    {
        while (child.ProcessId is null) await Task.Yield();
        return child.ProcessId.Value;
    }

    private static bool IsGone(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return process.HasExited;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }
}
