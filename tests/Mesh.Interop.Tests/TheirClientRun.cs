using Mesh.Grpc.Tests.Functional;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mesh.Interop.Tests;

/// <summary>Runs a client program of another language once against our servers; each test then looks at one scenario's result.</summary>
/// <param name="language">The client's language.</param>
public abstract class TheirClientRun(Language language) : IAsyncLifetime
{
    private readonly TempFolder _folder = new();

    /// <summary>Everything that the client reported, by scenario.</summary>
    public IReadOnlyDictionary<string, ScenarioResult> Results { get; private set; } = new Dictionary<string, ScenarioResult>();

    public async Task InitializeAsync()
    {
        await using var open = await StartAsync(gzip: false, limited: false, Transport.Plain, Transport.Tls, Transport.MutualTls, Transport.UnixSocket);
        await using var limited = await StartAsync(gzip: false, limited: true, Transport.Plain);
        await using var gzip = await StartAsync(gzip: true, limited: false, Transport.Plain);
        open.Certificates.WritePem(_folder);
        var endpoints = new Dictionary<string, string>
        {
            ["plain"] = open.Address().Authority,
            ["limited"] = limited.Address().Authority,
            ["gzip"] = gzip.Address().Authority,
            ["tls"] = open.Address(Transport.Tls).Authority,
            ["mtls"] = open.Address(Transport.MutualTls).Authority,
            ["unix"] = open.SocketPath,
            ["certificates"] = _folder.Path,
        };
        Results = await ScenarioRun.RunAsync(language, "client", endpoints);
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }

    private static Task<TestServer> StartAsync(bool gzip, bool limited, params Transport[] transports) => TestServer.StartAsync(
        builder =>
        {
            builder.Services.AddSingleton<CallRecorder>();
            builder.Services.AddGrpc(options =>
            {
                if (!limited)
                    options.MaxReceiveMessageSize = null;
                if (gzip)
                    options.ResponseCompressionAlgorithm = "gzip";
            });
            builder.Services.AddGrpcHealthChecks().AddCheck("always", () => HealthCheckResult.Healthy());
            builder.Services.AddGrpcReflection();
        },
        app =>
        {
            app.UseMiddleware<CallRecorder>();
            app.MapGrpcService<TestServiceImpl>();
            app.MapGrpcHealthChecksService();
            app.MapGrpcReflectionService();
        },
        transports);
}

/// <summary>The run of the client on @grpc/grpc-js.</summary>
public sealed class NodeClientRun() : TheirClientRun(Language.Node);

/// <summary>The run of the client on grpcio.</summary>
public sealed class PythonClientRun() : TheirClientRun(Language.Python);
