using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>One call: what its handler sees of it, and how it starts and ends.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The call's end disposes its timer and token.")]
internal sealed partial class ServerCall : ServerCallContext, IServerCallContextFeature
{
    private static readonly AuthContext Unauthenticated = new(null, []);

    private readonly ILogger _logger;
    private Metadata? _requestHeaders;
    private Metadata? _responseTrailers;
    private AuthContext? _authContext;
    private string? _peer;
    private Status _status;

    internal ServerCall(HttpContext http, MethodOptions options, ILogger logger)
    {
        Http = http;
        Options = options;
        _logger = logger;
    }

    public ServerCallContext ServerCallContext => this;

    internal HttpContext Http { get; }

    internal MethodOptions Options { get; }

    /// <summary>The encoding that the response's grpc-encoding names.</summary>
    internal string ResponseEncoding { get; private set; } = GrpcProtocol.IdentityEncoding;

    internal string? RequestEncoding => Http.Request.Headers.GrpcEncoding;

    protected override string MethodCore => Http.Request.Path.Value!;

    protected override string HostCore => Http.Request.Host.Value!;

    protected override string PeerCore => _peer ??= FormatPeer(Http);

    protected override Metadata RequestHeadersCore => _requestHeaders ??= RequestMetadata.Read(Http.Request.Headers);

    protected override Metadata ResponseTrailersCore => _responseTrailers ??= [];

    protected override Status StatusCore
    {
        get => _status;
        set => _status = value;
    }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => _authContext ??= CreateAuthContext(Http.Connection.ClientCertificate);

    protected override IDictionary<object, object> UserStateCore => Http.Items!;

    /// <summary>Begins the response and the deadline. A caller that accepts the configured response encoding gets it.</summary>
    internal void Start()
    {
        for (var activity = Activity.Current; activity is not null; activity = activity.Parent)
        {
            // Middleware may have begun activities of its own: the tags belong to the server's.
            if (activity.OperationName == "Microsoft.AspNetCore.Hosting.HttpRequestIn")
            {
                _hostActivity = activity;
                activity.SetTag("grpc.method", MethodCore);
                break;
            }
        }

        if (Options.ResponseCompressionAlgorithm is { } algorithm && RequestMetadata.Accepts(Http.Request.Headers.GrpcAcceptEncoding, algorithm))
            ResponseEncoding = algorithm;

        var headers = Http.Response.Headers;
        headers.ContentType = GrpcProtocol.ContentType;
        headers.GrpcEncoding = ResponseEncoding;
        StartDeadline();
    }

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options)
        => throw new NotSupportedException("Propagation tokens are not supported: use EnableCallContextPropagation of the client factory.");

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        var response = Http.Response;
        if (response.HasStarted)
            throw new InvalidOperationException("Response headers can only be sent once per call.");

        foreach (var entry in responseHeaders ?? [])
        {
            if (entry.Key == GrpcProtocol.EncodingRequestKey)
            {
                ResponseEncoding = entry.Value;
                response.Headers.GrpcEncoding = entry.Value;
            }
            else
            {
                RequestMetadata.Append(response.Headers, entry);
            }
        }

        var flush = response.BodyWriter.FlushAsync();
        if (!flush.IsCompletedSuccessfully)
            return flush.AsTask();

        _ = flush.Result;
        return Task.CompletedTask;
    }

    private static string FormatPeer(HttpContext http)
    {
        var connection = http.Connection;
        if (connection.RemoteIpAddress is not { } address)
            return http.Features.Get<IConnectionSocketFeature>()?.Socket.LocalEndPoint is UnixDomainSocketEndPoint socket ? $"unix:{socket}" : "unknown:";

        return address.AddressFamily switch
        {
            AddressFamily.InterNetwork => $"ipv4:{address}:{connection.RemotePort}",
            AddressFamily.InterNetworkV6 => $"ipv6:[{address}]:{connection.RemotePort}",
            _ => $"unknown:{address}:{connection.RemotePort}",
        };
    }

    /// <summary>A client certificate becomes properties under the names that gRPC's core library gives them.</summary>
    private static AuthContext CreateAuthContext(X509Certificate2? certificate)
    {
        const string CommonName = "x509_common_name";
        const string AlternativeName = "x509_subject_alternative_name";
        if (certificate is null)
            return Unauthenticated;

        var properties = new Dictionary<string, List<AuthProperty>>(StringComparer.Ordinal);
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames()).ToList();
        if (names.Count > 0)
            properties[AlternativeName] = names.ConvertAll(name => AuthProperty.Create(AlternativeName, Encoding.UTF8.GetBytes(name)));

        var common = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        if (!string.IsNullOrEmpty(common))
            properties[CommonName] = [AuthProperty.Create(CommonName, Encoding.UTF8.GetBytes(common))];

        var identity = names.Count > 0 ? AlternativeName : properties.Count > 0 ? CommonName : null;
        return new AuthContext(identity, properties);
    }
}
