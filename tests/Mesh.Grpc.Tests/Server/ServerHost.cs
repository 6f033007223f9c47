using Grpc.AspNetCore.Server;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>A server with the scripted service, and a client to it.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    private ServerHost(TestServer server, Script script)
    {
        Server = server;
        Script = script;
        Client = new WireClient(server.CreateHandler(), server.Address());
    }

    internal TestServer Server { get; }

    internal Script Script { get; }

    internal WireClient Client { get; }

    internal CallCounter Counter => Server.Services.GetRequiredService<CallCounter>();

    internal static Task<ServerHost> StartAsync(
        Action<GrpcServiceOptions>? options = null, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null)
        => StartAsync<ScriptedService>(options, services, map);

    /// <summary>Starts a server of another implementation of the service than the scripted one.</summary>
    internal static async Task<ServerHost> StartAsync<TService>(
        Action<GrpcServiceOptions>? options = null, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null)
        where TService : class
    {
        var script = new Script();
        var server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddSingleton(script).AddSingleton<CallCounter>();
                builder.Services.AddGrpc(grpc =>
                {
                    grpc.Interceptors.Add<CountingInterceptor>();
                    options?.Invoke(grpc);
                });
                services?.Invoke(builder.Services);
            },
            app =>
            {
                map?.Invoke(app);
                app.MapGrpcService<TService>();
            },
            Transport.Plain);
        return new ServerHost(server, script);
    }

    /// <summary>Lets the handlers' own exceptions be logged as errors.</summary>
    internal void ExpectHandlerErrors()
        => Server.Logs.Expect(line => line.Category.StartsWith("Grpc.AspNetCore.Server", StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
    }
}
