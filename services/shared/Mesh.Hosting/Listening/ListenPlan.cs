using System.Net.Sockets;
using Mesh.Hosting.Configuration;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using KestrelListenOptions = Microsoft.AspNetCore.Server.Kestrel.Core.ListenOptions;
using ListenOptions = Mesh.Hosting.Configuration.ListenOptions;

namespace Mesh.Hosting.Listening;

/// <summary>What a service listens on, and with which certificate.</summary>
internal sealed class ListenPlan
{
    private const int StreamWindowBytes = 8 * 1024 * 1024;
    private const int ConnectionWindowBytes = 16 * 1024 * 1024;
    private const int StreamsPerConnection = 4096;
    private const int MaxConnections = 10_000;
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(20);

    private readonly MeshService _service;
    private readonly TlsOptions _tls;
    private readonly ListenAddress _grpc;
    private readonly ListenAddress? _http;

    private ListenPlan(MeshService service, TlsOptions tls, ListenAddress grpc, ListenAddress? http) => (_service, _tls, _grpc, _http) = (service, tls, grpc, http);

    /// <summary>Where gRPC calls are taken, once the service has started.</summary>
    public KestrelListenOptions? Grpc { get; private set; }

    /// <summary>Where HTTP requests are taken, once the service has started; null: nowhere.</summary>
    public KestrelListenOptions? Http { get; private set; }

    /// <summary>Reads the plan from a configuration that was checked against its schema.</summary>
    /// <exception cref="ConfigurationException">An address is none, or listening there is not safe.</exception>
    public static ListenPlan Read(MeshService service, IConfiguration configuration)
    {
        var listen = configuration.GetSection(ConfigurationSchema.PathOf(ListenOptions.SectionName)).Get<ListenOptions>() ?? new();
        var tls = configuration.GetSection(ConfigurationSchema.PathOf(TlsOptions.SectionName)).Get<TlsOptions>() ?? new();
        List<string> faults = [];
        var isProven = tls.ClientAuthority is not null || listen.AllowRemoteWithoutKeys || service.HasKeys?.Invoke(configuration) == true;
        var cure = $"configure {(service.HasKeys is null ? "" : "Mesh:Keys or ")}Mesh:Tls:ClientAuthority, or set Mesh:Listen:AllowRemoteWithoutKeys=true";
        ListenAddress? Address(string? text, string key)
        {
            if (string.IsNullOrEmpty(text)) return null;
            var path = $"{ConfigurationSchema.PathOf(ListenOptions.SectionName)}:{key}";
            try
            {
                var address = ListenAddress.Parse(text);
                if (address.Secure == true && tls.Certificate is null) faults.Add($"{path}: https needs Mesh:Tls:Certificate and Mesh:Tls:Key");
                if (!address.IsLocal && !isProven) faults.Add($"{path}: other machines can reach '{text}', and callers need not prove who they are; {cure}");
                return address;
            }
            catch (FormatException e)
            {
                faults.Add($"{path}: {e.Message}");
                return null;
            }
        }

        var grpc = Address(string.IsNullOrEmpty(listen.Grpc) ? service.Grpc : listen.Grpc, nameof(ListenOptions.Grpc));
        var http = Address(listen.Http ?? service.Http, nameof(ListenOptions.Http));
        return faults.Count > 0 ? throw new ConfigurationException(faults) : new ListenPlan(service, tls, grpc!, http);
    }

    public void Configure(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        // A caller that reads slowly is held up by flow control and ended by its deadline or a lost ping, not by a rate.
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.MaxRequestBodySize = _service.MaxReceiveBytes + 1024L;
        kestrel.Limits.Http2.InitialStreamWindowSize = StreamWindowBytes;
        kestrel.Limits.Http2.InitialConnectionWindowSize = ConnectionWindowBytes;
        kestrel.Limits.Http2.MaxStreamsPerConnection = StreamsPerConnection;
        kestrel.Limits.Http2.KeepAlivePingDelay = KeepAlive;
        kestrel.Limits.Http2.KeepAlivePingTimeout = KeepAliveTimeout;
        Listen(kestrel, _grpc, options => (Grpc = options).Protocols = HttpProtocols.Http2);
        if (_http is not null)
            Listen(kestrel, _http, options => (Http = options).Protocols = IsSecure(_http) ? HttpProtocols.Http1AndHttp2 : HttpProtocols.Http1);
    }

    /// <summary>As configuration names it, with the port that the system gave; null where nothing listens.</summary>
    public string? Describe(KestrelListenOptions? options) => options switch
    {
        null => null,
        { SocketPath: { } path } => $"unix:{path}",
        _ => $"{(IsSecure(options == Grpc ? _grpc : _http!) ? "https" : "http")}://{options.IPEndPoint}",
    };

    private bool IsSecure(ListenAddress address) => address.Path is null && (address.Secure ?? _tls.Certificate is not null);

    private void Listen(KestrelServerOptions kestrel, ListenAddress address, Action<KestrelListenOptions> configure)
    {
        void Set(KestrelListenOptions options)
        {
            if (IsSecure(address)) options.UseHttps(Https());
            configure(options);
        }

        if (address.Path is { } path)
        {
            RemoveStale(path);
            kestrel.ListenUnixSocket(path, Set);
        }
        else kestrel.Listen(address.Address!, address.Port, Set);
    }

    private HttpsConnectionAdapterOptions Https()
    {
        var chain = PemFiles.LoadWithKey(_tls.Certificate!, _tls.Key!);
        var https = new HttpsConnectionAdapterOptions { ServerCertificate = chain[0], ServerCertificateChain = [.. chain.Skip(1)] };
        if (_tls.ClientAuthority is null) return https;
        var authorities = PemFiles.LoadAll(_tls.ClientAuthority);
        https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
        https.OnAuthenticate = (_, ssl) => ssl.CertificateChainPolicy = PemFiles.Policy(authorities);
        return https;
    }

    /// <summary>A socket that a killed process left behind would keep this one from listening.</summary>
    private static void RemoveStale(string path)
    {
        if (!File.Exists(path)) return;
        try
        {
            using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
    }
}
