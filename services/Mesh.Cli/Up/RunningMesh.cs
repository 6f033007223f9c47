using Mesh.Client;

namespace Mesh.Cli.Up;

/// <summary>A mesh that this process runs: its programs, kept running until it is disposed.</summary>
internal sealed class RunningMesh : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(15);
    private readonly Supervisor _supervisor;

    private RunningMesh(Supervisor supervisor, MeshClientOptions reach, string http) => (_supervisor, Reach, Http) = (supervisor, reach, http);

    /// <summary>How to reach its gateway by gRPC.</summary>
    public MeshClientOptions Reach { get; }

    /// <summary>Its gateway's HTTP address.</summary>
    public string Http { get; }

    /// <summary>The programs that run.</summary>
    public IReadOnlyList<Child> Children => _supervisor.Children;

    /// <summary>Starts the programs and waits until the mesh is ready.</summary>
    /// <param name="wishes">What to run.</param>
    /// <param name="config">The services' configuration file.</param>
    /// <param name="folder">Where it lives.</param>
    /// <param name="programs">The services.</param>
    /// <param name="key">For calls to it; null: none.</param>
    /// <param name="tell">Takes messages, a line each.</param>
    /// <param name="cancel">Stops it all.</param>
    /// <exception cref="IOException">A program does not start; nothing runs any more then.</exception>
    public static async Task<RunningMesh> StartAsync(
        MeshWishes wishes, ConfigFile config, RunFolder folder, ServicePrograms programs, string? key, Action<string> tell, CancellationToken cancel)
    {
        var plan = MeshPlan.Make(wishes, config, folder, programs);
        if (!plan.HasRedis && wishes.WithRedis && !config.Has("Redis:Cache"))
            tell("redis-server is not installed: embeddings are cached in the gateway alone");
        var isSecure = config.Has("Tls:Certificate");
        var reach = new MeshClientOptions
        {
            Address = wishes.Grpc.ForClient(isSecure),
            ApiKey = key,
            AuthorityFile = isSecure ? config.Text("Peer:Authority") : null,
            CertificateFile = isSecure ? config.Text("Peer:Certificate") : null,
            CertificateKeyFile = isSecure ? config.Text("Peer:Key") : null,
        };
        var mesh = new RunningMesh(new Supervisor(plan.Children, tell, BackOff.Default, StopLimit), reach, wishes.Http.ForClient(isSecure));
        try
        {
            tell($"starting {string.Join(", ", plan.Children.Select(x => x.Name))}");
            mesh._supervisor.Start();
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var ready = new Arrival(reach, mesh.Http, tell).WaitReadyAsync(waiting.Token);
            if (await Task.WhenAny(ready, mesh._supervisor.Failure) != ready)
            {
                await waiting.CancelAsync();
                await ready.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await mesh._supervisor.Failure;
            }
            await ready;
            mesh._supervisor.MarkUp();
            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops every program, those who ask before those who are asked.</summary>
    public ValueTask DisposeAsync() => _supervisor.DisposeAsync();
}
