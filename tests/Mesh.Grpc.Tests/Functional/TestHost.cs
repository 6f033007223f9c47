using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>A server with the test service, and channels of ours to it.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly List<GrpcChannel> _channels = [];

    private TestHost(TestServer server) => Server = server;

    public TestServer Server { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="grpc">Changes the options of all services.</param>
    /// <param name="services">Adds services.</param>
    /// <param name="map">Adds middleware and endpoints, before the test service.</param>
    /// <param name="port">The plain text port; 0 = any free one.</param>
    /// <param name="transports">What to listen on.</param>
    public static async Task<TestHost> StartAsync(
        Action<GrpcServiceOptions>? grpc = null,
        Action<IServiceCollection>? services = null,
        Action<WebApplication>? map = null,
        int port = 0,
        params Transport[] transports)
    {
        var server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddSingleton<CallRecorder>();
                builder.Services.AddGrpc(options => grpc?.Invoke(options));
                services?.Invoke(builder.Services);
            },
            app =>
            {
                app.UseMiddleware<CallRecorder>();
                map?.Invoke(app);
                app.MapGrpcService<TestServiceImpl>();
            },
            port,
            transports);
        return new TestHost(server);
    }

    /// <summary>A channel to the server, closed with this host.</summary>
    /// <param name="transport">How to reach it.</param>
    /// <param name="configure">Changes the channel's options.</param>
    public GrpcChannel OpenChannel(Transport transport = Transport.Plain, Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions { HttpHandler = Server.CreateHandler(transport), DisposeHttpClient = true };
        configure?.Invoke(options);
        var channel = GrpcChannel.ForAddress(Server.Address(transport), options);
        _channels.Add(channel);
        return channel;
    }

    /// <summary>A client on a channel of its own.</summary>
    /// <inheritdoc cref="OpenChannel" path="/param"/>
    public TestService.TestServiceClient Connect(Transport transport = Transport.Plain, Action<GrpcChannelOptions>? configure = null) =>
        new(OpenChannel(transport, configure));

    public async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
            channel.Dispose();
        await Server.DisposeAsync();
    }
}
