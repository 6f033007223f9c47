using Grpc.Health.V1;
using Grpc.Net.Client;
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
    private static readonly (string Name, string Key, Func<string[], IReadOnlyDictionary<string, string?>, WebApplication> Create)[] Stages =
    [
        ("text", "Text", TextEncoderApp.Create),
        ("generator", "Generator", GeneratorApp.Create),
        ("decoder", "Decoder", DecoderApp.Create),
        ("upsampler", "Upsampler", UpsamplerApp.Create),
    ];

    private readonly List<WebApplication> _apps = [];
    private readonly TempFolder _folder = new();

    private RunningMesh()
    {
    }

    /// <summary>The built-in model's id.</summary>
    public const string Emoji = "emoji";

    /// <summary>Where gRPC is called: host and port.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Where HTTP is called: scheme, host and port.</summary>
    public string Http { get; private set; } = "";

    /// <summary>What all of them logged.</summary>
    public LogCollector Logs { get; } = new();

    /// <summary>Starts a mesh with the built-in model, and waits until it is ready.</summary>
    /// <param name="settings">Of every service, beside addresses, device and the built-in model.</param>
    public static async Task<RunningMesh> StartAsync(params (string Key, string? Value)[] settings)
    {
        var mesh = new RunningMesh();
        try
        {
            var all = new Dictionary<string, string?>
            {
                ["Mesh:Device:Name"] = "cpu",
                [$"Mesh:Models:{Emoji}:Folder"] = Repository.PathOf("deploy", "models", "emoji"),
                ["Mesh:DefaultModel"] = Emoji,
                ["Mesh:Stages:Poll"] = "00:00:00.1",
            };
            foreach (var (name, key, _) in Stages) all[$"Mesh:Stages:{key}:0"] = "unix:" + mesh._folder.File(name + ".sock");
            foreach (var (key, value) in settings) all[key] = value;
            foreach (var (name, _, create) in Stages)
                await mesh.StartAsync(create([], new Dictionary<string, string?>(all) { ["Mesh:Listen:Grpc"] = "unix:" + mesh._folder.File(name + ".sock") }));
            var gateway = GatewayApp.Create([], new Dictionary<string, string?>(all) { ["Mesh:Listen:Grpc"] = "127.0.0.1:0", ["Mesh:Listen:Http"] = "127.0.0.1:0" });
            await mesh.StartAsync(gateway);
            (mesh.Address, mesh.Http) = (new Uri(gateway.Addresses().Grpc).Authority, gateway.Addresses().Http!);
            await mesh.WhenReadyAsync();
            return mesh;
        }
        catch
        {
            await mesh.StopAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Logs.ThrowOnErrors();
    }

    private async Task StartAsync(WebApplication app)
    {
        _apps.Add(app);
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(Logs);
        await app.StartAsync().DefaultTimeout();
    }

    private async Task WhenReadyAsync()
    {
        // The library logs an error when a status changes just as its watcher leaves.
        Logs.Expect(x => x.Message.Contains("grpc.health.v1.Health/Watch", StringComparison.Ordinal));
        using var channel = GrpcChannel.ForAddress("http://" + Address);
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest(), deadline: DateTime.UtcNow + TimeoutExtensions.Default);
        while (await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            if (watch.ResponseStream.Current.Status == HealthCheckResponse.Types.ServingStatus.Serving) return;
        }
        throw new InvalidOperationException("The gateway stopped telling how it is.");
    }

    /// <summary>The gateway first, so that nothing is asked of a stage that is gone.</summary>
    private async Task StopAsync()
    {
        foreach (var app in Enumerable.Reverse(_apps))
        {
            using var end = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await app.StopAsync(end.Token).DefaultTimeout();
            await app.DisposeAsync().DefaultTimeout();
        }
        _folder.Dispose();
    }
}
