using Mesh.Decoder;
using Mesh.Gateway;
using Mesh.Generator;
using Mesh.Hosting;
using Mesh.Hosting.Configuration;
using Mesh.TextEncoder;
using Mesh.Upsampler;
using Microsoft.Extensions.Options;

namespace Mesh.OneProcess;

/// <summary>
/// The whole mesh in one process: the gateway on its ports, the stages behind it on Unix sockets in a folder of their own, each with its own
/// container, as if they were processes. A stage whose endpoints are configured runs elsewhere and not here.
/// </summary>
public sealed class OneProcessMesh : IAsyncDisposable
{
    private static readonly (string Section, string Socket, Func<string[], IReadOnlyDictionary<string, string?>?, WebApplication> Create)[] Kinds =
    [
        ("Text", "text", TextEncoderApp.Create),
        ("Generator", "generator", GeneratorApp.Create),
        ("Decoder", "decoder", DecoderApp.Create),
        ("Upsampler", "upsampler", UpsamplerApp.Create),
    ];

    private readonly DirectoryInfo _folder;
    private readonly List<WebApplication> _stages;
    private bool _stopped;

    private OneProcessMesh(DirectoryInfo folder, List<WebApplication> stages, WebApplication gateway) => (_folder, _stages, Gateway) = (folder, stages, gateway);

    /// <summary>The gateway, which is what the mesh is to its callers.</summary>
    public WebApplication Gateway { get; }

    /// <summary>The stages that run here.</summary>
    public IReadOnlyList<WebApplication> Stages => _stages;

    /// <summary>Makes every service, not started.</summary>
    /// <param name="args">The command line, the same for all of them; addresses are the gateway's.</param>
    /// <param name="settings">Laid over all other configuration.</param>
    /// <exception cref="ConfigurationException">The configuration is wrong; every fault of every service is named once.</exception>
    public static OneProcessMesh Create(string[] args, IReadOnlyDictionary<string, string?>? settings = null)
    {
        var configuration = MeshHost.Create(new MeshService("mesh", "127.0.0.1:0"), args, settings).Configuration;
        var here = Kinds.Where(x => !configuration.GetSection($"{MeshSections.Root}:Stages:{x.Section}").GetChildren().Any()).ToList();
        var folder = Directory.CreateTempSubdirectory("mesh-");
        List<WebApplication> made = [];
        List<string> faults = [];
        var front = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>());
        foreach (var (section, socket, create) in here)
        {
            var endpoint = $"unix:{Path.Combine(folder.FullName, socket + ".sock")}";
            front[$"{MeshSections.Root}:Stages:{section}:0"] = endpoint;
            TryMake(() => create(args, Behind(settings, endpoint)), made, faults);
        }
        TryMake(() => GatewayApp.Create(args, front), made, faults);
        if (faults.Count == 0) return new(folder, made[..^1], made[^1]);
        foreach (var app in made) ((IDisposable)app).Dispose();
        folder.Delete(recursive: true);
        throw new ConfigurationException([.. faults.Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>Runs the mesh until the process is told to stop, or one of its services stops by itself.</summary>
    /// <exception cref="ConfigurationException">As <see cref="Create"/>.</exception>
    public static async Task RunAsync(string[] args)
    {
        var mesh = Create(args);
        await using (mesh.ConfigureAwait(false))
        {
            ParentWatch.Begin(mesh.Gateway.Lifetime, mesh.StopLimit);
            await mesh.StartAsync(CancellationToken.None).ConfigureAwait(false);
            await mesh.Gateway.WaitForShutdownAsync().ConfigureAwait(false);
            await mesh.StopAsync().ConfigureAwait(false);
        }
    }

    /// <summary>How long stopping may take: the gateway drains, then the stages.</summary>
    public TimeSpan StopLimit => 2 * Gateway.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;

    /// <summary>Starts the stages, then the gateway. Where one fails, those that run are stopped again.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        try
        {
            foreach (var stage in _stages)
            {
                await stage.StartAsync(cancel).ConfigureAwait(false);
                // One that ends by itself leaves a mesh that cannot work: who watches the process starts it anew.
                stage.Lifetime.ApplicationStopping.Register(Gateway.Lifetime.StopApplication);
            }
            await Gateway.StartAsync(cancel).ConfigureAwait(false);
        }
        catch
        {
            await StopAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops the gateway, which ends what it has, and then the stages. The drain's time limits hold for each.</summary>
    public async Task StopAsync()
    {
        if (_stopped) return;
        _stopped = true;
        await Gateway.StopAsync(CancellationToken.None).ConfigureAwait(false);
        await Task.WhenAll(_stages.Select(x => x.StopAsync(CancellationToken.None))).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        await Gateway.DisposeAsync().ConfigureAwait(false);
        foreach (var stage in _stages) await stage.DisposeAsync().ConfigureAwait(false);
        _folder.Refresh();
        if (_folder.Exists) _folder.Delete(recursive: true);
    }

    /// <summary>A stage's settings: nobody but the gateway reaches it, the gateway stops it, and the stages share their device.</summary>
    private static Dictionary<string, string?> Behind(IReadOnlyDictionary<string, string?>? settings, string endpoint) => new(settings ?? new Dictionary<string, string?>())
    {
        ["Mesh:Listen:Grpc"] = endpoint,
        ["Mesh:Listen:Http"] = "",
        ["Mesh:Drain:OnSignal"] = "false",
        ["Mesh:Device:AllowShared"] = "true",
    };

    private static void TryMake(Func<WebApplication> make, List<WebApplication> made, List<string> faults)
    {
        try
        {
            made.Add(make());
        }
        catch (ConfigurationException e)
        {
            faults.AddRange(e.Faults);
        }
    }
}
