using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace Mesh.Client;

/// <summary>Makes the channel that options describe.</summary>
internal static class Transport
{
    private const string UnixScheme = "unix:";

    /// <exception cref="ArgumentException">The address is none, or a certificate file holds none.</exception>
    /// <exception cref="IOException">A certificate file cannot be read.</exception>
    public static GrpcChannel Open(MeshClientOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = options.ConnectTimeout,
            UseProxy = false,
            UseCookies = false,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5),
        };
        if (options.KeepAlive > TimeSpan.Zero) (handler.KeepAlivePingDelay, handler.KeepAlivePingTimeout, handler.KeepAlivePingPolicy) = (options.KeepAlive, options.KeepAlive, HttpKeepAlivePingPolicy.WithActiveRequests);
        try
        {
            var target = Target(options.Address, handler);
            if (target.Scheme == Uri.UriSchemeHttps) Secure(handler.SslOptions, options);
            return GrpcChannel.ForAddress(target, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        }
        catch
        {
            handler.Dispose();
            throw;
        }
    }

    private static Uri Target(string address, SocketsHttpHandler handler)
    {
        if (address.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase))
        {
            var path = address[UnixScheme.Length..];
            // unix:///path says the same as unix:/path.
            if (path.StartsWith("//", StringComparison.Ordinal)) path = path[2..];
            if (path.Length == 0) throw new ArgumentException($"'{address}' names no socket", nameof(address));
            handler.ConnectCallback = (_, cancel) => ConnectAsync(path, cancel);
            return new Uri("http://localhost");
        }
        var text = address.Contains("://", StringComparison.Ordinal) ? address : "http://" + address;
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Host.Length > 0 && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
            ? uri
            : throw new ArgumentException($"'{address}' is no address of a mesh: http://host:port, https://host:port or unix:/path", nameof(address));
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Secure(SslClientAuthenticationOptions tls, MeshClientOptions options)
    {
        if (options.AuthorityFile is { } authorities)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            Read(authorities, () => policy.CustomTrustStore.ImportFromPemFile(authorities));
            if (policy.CustomTrustStore.Count == 0) throw new ArgumentException($"{authorities} holds no certificate");
            tls.CertificateChainPolicy = policy;
        }
        if (options.CertificateFile is not { } file) return;
        var chain = new X509Certificate2Collection();
        X509Certificate2? own = null;
        Read(file, () =>
        {
            using var loaded = X509Certificate2.CreateFromPemFile(file, options.CertificateKeyFile);
            // Through PKCS#12, because TLS on some systems refuses keys that live in memory only.
            own = X509CertificateLoader.LoadPkcs12(loaded.Export(X509ContentType.Pkcs12), null);
            chain.ImportFromPemFile(file);
        });
        tls.ClientCertificateContext = SslStreamCertificateContext.Create(own!, chain, offline: true);
    }

    private static void Read(string file, Action read)
    {
        try
        {
            read();
        }
        catch (CryptographicException e)
        {
            throw new ArgumentException($"{file}: {e.Message}", e);
        }
    }
}
