using Mesh.Decoder;
using Mesh.Gateway;
using Mesh.Generator;
using Mesh.Hosting;
using Mesh.Testing;
using Mesh.TextEncoder;
using Mesh.Upsampler;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.FunctionalTests;

/// <summary>
/// The whole mesh on the CPU: gateway and stages, each with a container of its own, the stages on Unix sockets, the gateway on ports that the
/// system chose. Disposing it throws when one of them logged errors that the test did not expect.
/// </summary>
public sealed class RunningMesh : IAsyncDisposable
{
    /// <summary>The built-in model's id.</summary>
    public const string Emoji = "emoji";

    private readonly List<WebApplication> _apps = [];
    private readonly TempFolder _folder = new();
    private readonly List<MeshFront> _fronts = [];
    private readonly MeshLayout _layout;

    private RunningMesh(MeshLayout layout) => _layout = layout;

    /// <summary>Where gRPC is called: host and port.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Where HTTP is called: scheme, host and port.</summary>
    public string Http { get; private set; } = "";

    /// <summary>Its services.</summary>
    public MeshFront Front => _fronts[0];

    /// <summary>What all of them logged.</summary>
    public LogCollector Logs { get; } = new();

    /// <summary>Starts a mesh with the built-in model, and waits until it is ready.</summary>
    /// <param name="settings">Of every service, beside addresses, device and the built-in model.</param>
    public static Task<RunningMesh> StartAsync(params (string Key, string? Value)[] settings) => StartAsync(new MeshLayout
    {
        Settings = [($"Mesh:Models:{Emoji}:Folder", Repository.PathOf("deploy", "models", "emoji")), ("Mesh:DefaultModel", Emoji), .. settings],
    });

    /// <summary>Starts a mesh and waits until every stage serves.</summary>
    public static async Task<RunningMesh> StartAsync(MeshLayout layout)
    {
        var mesh = new RunningMesh(layout);
        try
        {
            foreach (var (stage, _, name) in layout.Processes)
            {
                var settings = layout.SettingsOf(stage, mesh.SocketOf);
                settings["Mesh:Listen:Grpc"] = "unix:" + mesh.SocketOf(name);
                await mesh.StartAsync(mesh.Create(stage, settings));
            }
            await mesh.AddGatewayAsync();
            return mesh;
        }
        catch
        {
            await mesh.StopAsync();
            throw;
        }
    }

    /// <summary>Starts a gateway, a second one beside the first too, and waits until every stage serves for it.</summary>
    /// <param name="settings">Its own.</param>
    public async Task<MeshFront> AddGatewayAsync(params (string Key, string? Value)[] settings)
    {
        var all = _layout.SettingsOf("gateway", SocketOf);
        all["Mesh:Listen:Grpc"] = all["Mesh:Listen:Http"] = "127.0.0.1:0";
        if (_layout.Relay is { } relay) all[MeshLayout.EndpointKey("generator", 0)] = await relay.StartAsync(SocketOf("generator"));
        foreach (var (key, value) in settings) all[key] = value;
        var gateway = GatewayApp.Create([], all);
        await StartAsync(gateway);
        var front = new MeshFront(gateway.Addresses().Grpc, SocketOf);
        _fronts.Add(front);
        if (_fronts.Count == 1) (Address, Http) = (new Uri(gateway.Addresses().Grpc).Authority, gateway.Addresses().Http!);
        await front.ReadyAsync(_layout.Processes.Count(), all.Keys.Any(x => x.StartsWith("Mesh:Keys", StringComparison.Ordinal)));
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        // A gateway that stops lets go of the questions that it has on their way; the server may see that before it hears that the call is over.
        Logs.Expect(x => x.Exception is IOException && x.Message.Contains("/mesh.stage.v1.StageService/GetStage", StringComparison.Ordinal));
        Logs.ThrowOnErrors();
    }

    private string SocketOf(string name) => _folder.File(name + ".sock");

    private WebApplication Create(string stage, Dictionary<string, string?> settings) => stage switch
    {
        "text" => TextEncoderApp.Create([], settings),
        "generator" => GeneratorApp.Create([], settings),
        "decoder" => DecoderApp.Create([], settings),
        _ => _layout.UpscaleNoise is { } noise ? UpsamplerApp.Create([], settings, noise) : UpsamplerApp.Create([], settings),
    };

    private async Task StartAsync(WebApplication app)
    {
        _apps.Add(app);
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(Logs);
        await app.StartAsync().DefaultTimeout();
    }

    /// <summary>The gateway first, so that nothing is asked of a stage that is gone.</summary>
    private async Task StopAsync()
    {
        _fronts.ForEach(x => x.Dispose());
        foreach (var app in Enumerable.Reverse(_apps))
        {
            using var end = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await app.StopAsync(end.Token).DefaultTimeout();
            await app.DisposeAsync().DefaultTimeout();
        }
        if (_layout.Relay is { } relay) await relay.DisposeAsync();
        _folder.Dispose();
    }
}
