using System.Text.Json;
using Grpc.Net.Client;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Interop.Tests;

/// <summary>A server program of another language, and channels of ours to it.</summary>
/// <param name="language">The server's language.</param>
/// <param name="arguments">Further arguments of the program.</param>
public abstract class TheirServer(Language language, params string[] arguments) : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly TestCertificates _certificates = new();
    private readonly List<GrpcChannel> _channels = [];
    private ChildProgram? _program;
    private Dictionary<string, int> _ports = [];

    /// <summary>The server's language.</summary>
    public Language Language => language;

    /// <summary>Whether the library can compress what it answers.</summary>
    public bool CompressesReplies => arguments.Contains("gzip");

    public async Task InitializeAsync()
    {
        _certificates.WritePem(_folder);
        _program = await InteropProgram.StartAsync(language, "server", [_folder.Path, _folder.File("server.sock"), .. arguments]);
        _ports = JsonSerializer.Deserialize<Dictionary<string, int>>(await _program.ReadLineAsync())!;
    }

    /// <summary>A client of the server.</summary>
    /// <param name="transport">How to reach it.</param>
    /// <param name="configure">Changes the channel's options.</param>
    /// <param name="handler">The HTTP handler; the right one for the transport where null.</param>
    public TestService.TestServiceClient Connect(
        Transport transport = Transport.Plain, Action<GrpcChannelOptions>? configure = null, HttpMessageHandler? handler = null)
    {
        var options = new GrpcChannelOptions { HttpHandler = handler ?? CreateHandler(transport), DisposeHttpClient = true };
        configure?.Invoke(options);
        var channel = GrpcChannel.ForAddress(Address(transport), options);
        lock (_channels)
            _channels.Add(channel);
        return new TestService.TestServiceClient(channel);
    }

    /// <summary>An HTTP handler that reaches the transport.</summary>
    public SocketsHttpHandler CreateHandler(Transport transport)
    {
        var handler = _certificates.CreateHandler(transport == Transport.MutualTls);
        if (transport == Transport.UnixSocket)
            handler.ConnectCallback = UnixSocketDialer.To(_folder.File("server.sock"));
        return handler;
    }

    public async Task DisposeAsync()
    {
        foreach (var channel in _channels)
            channel.Dispose();
        if (_program is not null)
            await _program.DisposeAsync();
        _certificates.Dispose();
        _folder.Dispose();
    }

    private Uri Address(Transport transport) => transport switch
    {
        Transport.Tls => new Uri($"https://localhost:{_ports["tls"]}"),
        Transport.MutualTls => new Uri($"https://localhost:{_ports["mtls"]}"),
        Transport.UnixSocket => new Uri("http://localhost"),
        _ => new Uri($"http://127.0.0.1:{_ports["plain"]}"),
    };
}

/// <summary>The server on @grpc/grpc-js, which reads compressed requests and never compresses an answer.</summary>
public sealed class NodeServer() : TheirServer(Language.Node);

/// <summary>The server on grpcio, which compresses its answers.</summary>
public sealed class PythonServer() : TheirServer(Language.Python, "gzip");
