using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Mesh.Testing;

/// <summary>What a server listens on.</summary>
public enum Transport
{
    /// <summary>HTTP/2 without TLS on a loopback port.</summary>
    Plain,

    /// <summary>HTTP/2 over TLS on a loopback port.</summary>
    Tls,

    /// <summary>TLS where the client must show a certificate too.</summary>
    MutualTls,

    /// <summary>HTTP/2 without TLS on a Unix socket.</summary>
    UnixSocket,
}

/// <summary>
/// A real Kestrel on ports that the system chose, with the services that the test puts in. Disposing it throws when it logged
/// errors that the test did not expect.
/// </summary>
public sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Dictionary<Transport, ListenOptions> _listeners;
    private readonly TempFolder _folder;
    private bool _stopped;

    private TestServer(WebApplication app, Dictionary<Transport, ListenOptions> listeners, TempFolder folder, TestCertificates certificates, LogCollector logs)
    {
        _app = app;
        _listeners = listeners;
        _folder = folder;
        Certificates = certificates;
        Logs = logs;
    }

    /// <summary>The services of the running application.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>The warnings and errors that the server logged.</summary>
    public LogCollector Logs { get; }

    /// <summary>The certificates that TLS runs on.</summary>
    public TestCertificates Certificates { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="configure">Adds services.</param>
    /// <param name="map">Adds middleware and endpoints.</param>
    /// <param name="transports">What to listen on; plain text where none is named.</param>
    public static Task<TestServer> StartAsync(Action<WebApplicationBuilder> configure, Action<WebApplication> map, params Transport[] transports) =>
        StartAsync(configure, map, port: 0, transports);

    /// <summary>Starts a server whose plain text port is given, such as one that comes back after it was stopped.</summary>
    /// <param name="configure">Adds services.</param>
    /// <param name="map">Adds middleware and endpoints.</param>
    /// <param name="port">The plain text port; 0 = any free one.</param>
    /// <param name="transports">What to listen on; plain text where none is named.</param>
    public static async Task<TestServer> StartAsync(
        Action<WebApplicationBuilder> configure, Action<WebApplication> map, int port, params Transport[] transports)
    {
        ArgumentNullException.ThrowIfNull(configure);
        ArgumentNullException.ThrowIfNull(map);
        var certificates = new TestCertificates();
        var folder = new TempFolder();
        var logs = new LogCollector();
        var listeners = new Dictionary<Transport, ListenOptions>();
        // Nobody edits settings while a test runs, and a system gives one user few watchers of files.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = ["--hostBuilder:reloadConfigOnChange=false"] });
        builder.Logging.ClearProviders().AddProvider(logs).SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // Messages have their own limit; a body's length says nothing about it.
            kestrel.Limits.MaxRequestBodySize = null;
            foreach (var transport in transports is [] ? [Transport.Plain] : transports)
                Listen(kestrel, transport, port, folder, certificates, options => listeners[transport] = options);
        });
        configure(builder);
        var app = builder.Build();
        map(app);
        await app.StartAsync().DefaultTimeout();
        return new TestServer(app, listeners, folder, certificates, logs);
    }

    /// <summary>The port of a TCP transport.</summary>
    public int Port(Transport transport = Transport.Plain) => _listeners[transport].IPEndPoint!.Port;

    /// <summary>The path of the Unix socket.</summary>
    public string SocketPath => _listeners[Transport.UnixSocket].SocketPath!;

    /// <summary>The address for a client: localhost for TLS, so that names are checked.</summary>
    public Uri Address(Transport transport = Transport.Plain) => transport switch
    {
        Transport.Tls or Transport.MutualTls => new Uri($"https://localhost:{Port(transport)}"),
        Transport.UnixSocket => new Uri("http://localhost"),
        _ => new Uri($"http://127.0.0.1:{Port(transport)}"),
    };

    /// <summary>An HTTP handler that reaches the transport: with the right trust, certificate or socket.</summary>
    public SocketsHttpHandler CreateHandler(Transport transport = Transport.Plain)
    {
        var handler = Certificates.CreateHandler(transport == Transport.MutualTls);
        if (transport == Transport.UnixSocket)
            handler.ConnectCallback = UnixSocketDialer.To(SocketPath);
        return handler;
    }

    /// <summary>Stops the server as a process would on SIGTERM: no new connections, running calls may end.</summary>
    /// <param name="grace">How long running calls may take before they are cut off.</param>
    public async Task StopAsync(TimeSpan grace)
    {
        _stopped = true;
        using var source = new CancellationTokenSource(grace);
        await _app.StopAsync(source.Token).DefaultTimeout();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopped)
            await StopAsync(TimeSpan.FromSeconds(1));
        await _app.DisposeAsync().DefaultTimeout();
        Certificates.Dispose();
        _folder.Dispose();
        Logs.ThrowOnErrors();
    }

    private static void Listen(
        KestrelServerOptions kestrel, Transport transport, int port, TempFolder folder, TestCertificates certificates, Action<ListenOptions> started)
    {
        void Configure(ListenOptions options)
        {
            options.Protocols = HttpProtocols.Http2;
            if (transport is Transport.Tls or Transport.MutualTls)
                options.UseHttps(https => Secure(https, certificates, transport == Transport.MutualTls));
            started(options);
        }

        if (transport == Transport.UnixSocket)
            kestrel.ListenUnixSocket(folder.File("server.sock"), Configure);
        else
            kestrel.Listen(IPAddress.Loopback, transport == Transport.Plain ? port : 0, Configure);
    }

    private static void Secure(HttpsConnectionAdapterOptions https, TestCertificates certificates, bool mutual)
    {
        https.ServerCertificate = certificates.Server;
        if (!mutual)
            return;
        https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
        https.ClientCertificateValidation = (certificate, _, _) => certificates.IsIssuer(certificate);
    }
}
