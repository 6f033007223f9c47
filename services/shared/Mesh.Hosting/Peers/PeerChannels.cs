using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Mesh.Hosting.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mesh.Hosting.Peers;

/// <summary>Makes channels to other services, with this service's certificate and trust.</summary>
public sealed class PeerChannels
{
    private const int WindowBytes = 8 * 1024 * 1024;
    private readonly PeerOptions _options;
    private readonly ILoggerFactory _loggers;
    private readonly SslStreamCertificateContext? _certificate;
    private readonly List<X509Certificate2> _authorities;

    /// <param name="options">Trust, certificate and limits.</param>
    /// <param name="loggers">For the channels' own logs.</param>
    public PeerChannels(IOptions<PeerOptions> options, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _loggers = loggers;
        _authorities = _options.Authority is { } file ? PemFiles.LoadAll(file) : [];
        if (_options.Certificate is null) return;
        var chain = PemFiles.LoadWithKey(_options.Certificate, _options.Key!);
        _certificate = SslStreamCertificateContext.Create(chain[0], [.. chain.Skip(1)], offline: true);
    }

    /// <summary>A channel to one replica. It connects on the first call, and again whenever the connection is lost.</summary>
    /// <param name="endpoint">Where; for <see cref="EndpointKind.Dns"/> TLS is used where this service has an authority for its peers.</param>
    /// <param name="address">Which of the name's addresses; null: any.</param>
    /// <returns>The channel; disposing it closes its connections.</returns>
    public GrpcChannel Create(MeshEndpoint endpoint, IPAddress? address = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        var secure = endpoint.Kind == EndpointKind.Https || (endpoint.Kind == EndpointKind.Dns && _authorities.Count > 0);
        var name = endpoint.Kind == EndpointKind.Unix ? "localhost" : endpoint.Host;
        var uri = new UriBuilder(secure ? Uri.UriSchemeHttps : Uri.UriSchemeHttp, name, endpoint.Kind == EndpointKind.Unix ? 80 : endpoint.Port).Uri;
        return GrpcChannel.ForAddress(uri, new GrpcChannelOptions
        {
            HttpHandler = CreateHandler(endpoint, address),
            DisposeHttpClient = true,
            LoggerFactory = _loggers,
            MaxReceiveMessageSize = _options.MaxMessageBytes,
            MaxSendMessageSize = _options.MaxMessageBytes,
        });
    }

    private SocketsHttpHandler CreateHandler(MeshEndpoint endpoint, IPAddress? address) => new()
    {
        UseProxy = false,
        EnableMultipleHttp2Connections = true,
        InitialHttp2StreamWindowSize = WindowBytes,
        ConnectTimeout = _options.ConnectTimeout,
        KeepAlivePingDelay = _options.KeepAlive,
        KeepAlivePingTimeout = _options.KeepAliveTimeout,
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        SslOptions = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = _authorities.Count > 0 ? PemFiles.Policy(_authorities) : null,
            ClientCertificateContext = _certificate,
        },
        ConnectCallback = (context, cancellation) => ConnectAsync(
            endpoint.Kind == EndpointKind.Unix ? new UnixDomainSocketEndPoint(endpoint.Host)
            : address is not null ? new IPEndPoint(address, endpoint.Port) : context.DnsEndPoint,
            cancellation),
    };

    private static async ValueTask<Stream> ConnectAsync(EndPoint to, CancellationToken cancellation)
    {
        var socket = to is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(to, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
