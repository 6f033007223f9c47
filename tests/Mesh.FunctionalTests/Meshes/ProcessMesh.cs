using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>
/// The whole mesh as processes on the CPU: the gateway and each replica of each stage is a program of this build, on a Unix socket of its own. One
/// can be killed and started again. Disposing it stops all in order, and throws where one does not end as it should. Where MESH_TEST_LOGS names a
/// folder, what each process wrote is kept there.
/// </summary>
public sealed class ProcessMesh : IAsyncDisposable
{
    private const string Gateway = "gateway";
    private const string HttpSuffix = "-http";

    private static readonly Dictionary<string, string> Programs = new()
    {
        ["text"] = "Mesh.TextEncoder",
        ["generator"] = "Mesh.Generator",
        ["decoder"] = "Mesh.Decoder",
        ["upsampler"] = "Mesh.Upsampler",
        [Gateway] = "Mesh.Gateway",
    };

    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, ChildProgram> _running = [];
    private readonly HashSet<string> _hanging = [];

    private ProcessMesh(MeshLayout layout)
    {
        Layout = layout;
        Front = FrontOf(Gateway);
    }

    /// <summary>Its services.</summary>
    public MeshFront Front { get; }

    /// <summary>Which processes there are.</summary>
    public MeshLayout Layout { get; }

    /// <summary>Starts one more gateway, whose own settings stand under its name, such as <c>gateway-2</c>, and waits until it is ready.</summary>
    /// <returns>Its services; to be disposed of.</returns>
    public async Task<MeshFront> AddGatewayAsync(int replica)
    {
        Start(Gateway, replica);
        var name = MeshLayout.NameOf(Gateway, replica);
        var front = FrontOf(name);
        await ReadyAsync(front, name);
        return front;
    }

    /// <summary>Starts a mesh and waits until every stage serves.</summary>
    public static async Task<ProcessMesh> StartAsync(MeshLayout layout)
    {
        var mesh = new ProcessMesh(layout);
        try
        {
            foreach (var (stage, replica, _) in layout.Processes) mesh.Start(stage, replica);
            mesh.Start(Gateway);
            await mesh.ReadyAsync();
            return mesh;
        }
        catch (Exception e)
        {
            var said = string.Join('\n', mesh._running.Select(x => $"--- {x.Key}\n{x.Value.Errors}"));
            await mesh.KillAllAsync();
            throw new InvalidOperationException($"The mesh did not come up.\n{said}", e);
        }
    }

    /// <summary>Starts a process that is not running.</summary>
    /// <param name="service">A stage, or <c>gateway</c>.</param>
    /// <param name="replica">Counted from 0.</param>
    public void Start(string service, int replica = 0)
    {
        var name = MeshLayout.NameOf(service, replica);
        var settings = Layout.SettingsOf(service, SocketOf, replica);
        (settings["Mesh:Listen:Grpc"], settings["Mesh:Listen:Http"]) = ("unix:" + SocketOf(name), IsGateway(name) ? "unix:" + SocketOf(name + HttpSuffix) : "");
        var kind = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var program = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", Programs[service], kind, Programs[service] + ".dll"));
        _running.Add(name, ChildProgram.Start(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [program, .. settings.Where(x => x.Value is not null).Select(x => $"--{x.Key}={x.Value}")],
            _folder.Path, new Dictionary<string, string> { ["MESH_PARENT"] = "stdin" }));
    }

    /// <summary>Waits until every stage serves.</summary>
    public Task ReadyAsync() => ReadyAsync(Front, Gateway);

    /// <summary>Ends a process as kill -9 does.</summary>
    public async Task KillAsync(string service, int replica = 0)
    {
        var name = MeshLayout.NameOf(service, replica);
        _hanging.Remove(name);
        _running.Remove(name, out var program).ShouldBeTrue();
        program!.Kill();
        await program.DisposeAsync();
        Keep(name, program);
    }

    /// <summary>Stops a process where it is; its connections stay open, and nothing answers.</summary>
    public async Task HangAsync(string service, int replica = 0)
    {
        _hanging.Add(MeshLayout.NameOf(service, replica)).ShouldBeTrue();
        await SignalAsync("-STOP", MeshLayout.NameOf(service, replica));
    }

    /// <summary>Ends <see cref="HangAsync"/>.</summary>
    public async Task GoOnAsync(string service, int replica = 0)
    {
        _hanging.Remove(MeshLayout.NameOf(service, replica)).ShouldBeTrue();
        await SignalAsync("-CONT", MeshLayout.NameOf(service, replica));
    }

    /// <summary>The process id.</summary>
    public int IdOf(string service, int replica = 0) => _running[MeshLayout.NameOf(service, replica)].Id;

    public async ValueTask DisposeAsync()
    {
        Front.Dispose();
        try
        {
            foreach (var name in _hanging) await SignalAsync("-CONT", name);
            await StopAsync(_running.Where(x => IsGateway(x.Key)));
            await StopAsync(_running.Where(x => !IsGateway(x.Key)));
        }
        finally
        {
            await KillAllAsync();
        }
    }

    private static async Task StopAsync(IEnumerable<KeyValuePair<string, ChildProgram>> programs)
    {
        var stopping = programs.ToList();
        foreach (var (_, program) in stopping) program.CloseInput();
        foreach (var (name, program) in stopping) (await program.WaitForExitAsync()).ShouldBe(0, $"{name}: {program.Errors}");
    }

    private static bool IsGateway(string name) => name.StartsWith(Gateway, StringComparison.Ordinal);

    private MeshFront FrontOf(string gateway) => new("unix:" + SocketOf(gateway), SocketOf, SocketOf(gateway + HttpSuffix));

    private async Task ReadyAsync(MeshFront front, string gateway)
    {
        while (!File.Exists(SocketOf(gateway)))
        {
            if (_running[gateway].HasExited) throw new InvalidOperationException($"{gateway} ended: {_running[gateway].Errors}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
        await front.ReadyAsync(Layout.Processes.Count());
    }

    private string SocketOf(string name) => _folder.File(name + ".sock");

    private async Task SignalAsync(string signal, string name) => await ChildProgram.RunAsync("kill", [signal, $"{_running[name].Id}"]);

    private static void Keep(string name, ChildProgram program)
    {
        if (Environment.GetEnvironmentVariable("MESH_TEST_LOGS") is not { Length: > 0 } folder) return;
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, $"{name}-{program.Id}.log"), string.Join('\n', program.TakeLines()) + "\n" + program.Errors);
    }

    private async Task KillAllAsync()
    {
        foreach (var (name, program) in _running)
        {
            await program.DisposeAsync();
            Keep(name, program);
        }
        _running.Clear();
        Front.Dispose();
        _folder.Dispose();
    }
}
