using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Calls;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Compression;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

/// <summary>A way to call the services of one server, or of several that share the load, over HTTP/2. Thread-safe; meant to live long and be shared.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private readonly ConcurrentDictionary<IMethod, MethodEntry> _methods = new(ReferenceEqualityComparer.Instance);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ChannelHttp _http;
    private readonly Uri _baseUri;
    private readonly bool _unsafeCredentials;
    private PolicyTable _policies;
    private int _warnedOfCredentials;

    internal GrpcChannel(Uri address, GrpcChannelOptions options) : base(address.IsDefaultPort || address.Port < 0 ? address.Host : address.Authority)
    {
        var credentials = new ChannelCredentialsReader();
        options.Credentials?.InternalPopulateConfiguration(credentials, null);
        CallCredentials = credentials.CallCredentials;
        IsSecure = ResolveSecurity(address, credentials.IsSecure);
        Address = address;
        LoggerFactory = ChannelServices.GetLoggerFactory(options);
        MaxSendMessageSize = options.MaxSendMessageSize;
        MaxReceiveMessageSize = options.MaxReceiveMessageSize;
        MaxRetryAttempts = options.MaxRetryAttempts;
        RetryBudget = new RetryBudget(options.MaxRetryBufferSize, options.MaxRetryBufferPerCallSize);
        ThrowOperationCanceledOnCancellation = options.ThrowOperationCanceledOnCancellation;
        HttpVersion = options.HttpVersion ?? System.Net.HttpVersion.Version20;
        HttpVersionPolicy = options.HttpVersionPolicy ?? System.Net.Http.HttpVersionPolicy.RequestVersionExact;
        _unsafeCredentials = options.UnsafeUseInsecureChannelCallCredentials;
        Compressions = ChannelServices.GetCompressions(options);
        AcceptEncoding = string.Join(',', [GrpcProtocol.Identity, .. Compressions.Keys]);
        _policies = new PolicyTable(options.ServiceConfig, MaxRetryAttempts);
        _baseUri = IsHttp(address) ? address : new Uri((IsSecure ? "https" : "http") + "://" + ChannelServices.GetHostPath(address));
        _http = ChannelHttp.Create(options, address);
        Invoker = _http.Invoker;
        Connections = _http.SupportsConnectivity || !IsHttp(address) ? ConnectionManager.Create(this, options, _http) : null;
    }

    /// <summary>Where the channel stands.</summary>
    /// <exception cref="InvalidOperationException">The channel's HTTP handler makes its own connections.</exception>
    public ConnectivityState State => _stopping.IsCancellationRequested ? ConnectivityState.Shutdown : RequireConnections().State;

    internal Uri Address { get; }

    internal bool IsSecure { get; }

    internal HttpMessageInvoker Invoker { get; }

    internal ConnectionManager? Connections { get; }

    internal ILoggerFactory LoggerFactory { get; }

    internal IReadOnlyList<AsyncAuthInterceptor> CallCredentials { get; }

    internal IReadOnlyDictionary<string, ICompressionProvider> Compressions { get; }

    internal string AcceptEncoding { get; }

    internal int? MaxSendMessageSize { get; }

    internal int? MaxReceiveMessageSize { get; }

    internal int? MaxRetryAttempts { get; }

    internal RetryBudget RetryBudget { get; }

    internal RetryThrottle? Throttle => _policies.Throttle;

    internal bool ThrowOperationCanceledOnCancellation { get; }

    internal Version HttpVersion { get; }

    internal HttpVersionPolicy HttpVersionPolicy { get; }

    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>Whether call credentials go out: never over plain text, unless the channel was told so.</summary>
    internal bool SendsCallCredentials
    {
        get
        {
            if (IsSecure || _unsafeCredentials) return true;
            if (Interlocked.Exchange(ref _warnedOfCredentials, 1) == 0) ChannelLog.CallCredentialsNotUsed(LoggerFactory.CreateLogger<GrpcChannel>());
            return false;
        }
    }

    public static GrpcChannel ForAddress(string address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        return ForAddress(new Uri(address), channelOptions);
    }

    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        if (channelOptions.HttpClient is not null && channelOptions.HttpHandler is not null)
        {
            throw new ArgumentException("HttpClient and HttpHandler have been configured. Only one HTTP caller can be specified.");
        }
        return new GrpcChannel(address, channelOptions);
    }

    public override CallInvoker CreateCallInvoker()
    {
        ThrowIfDisposed();
        return new HttpCallInvoker(this);
    }

    /// <summary>Waits for a connection, trying again with growing delays.</summary>
    public Task ConnectAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return RequireConnections().ConnectAsync(cancellationToken);
    }

    /// <summary>Waits until the state is another than the one that the caller has seen.</summary>
    public Task WaitForStateChangedAsync(ConnectivityState lastObservedState, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return RequireConnections().WaitForStateChangedAsync(lastObservedState, cancellationToken);
    }

    /// <summary>Cancels the calls that are under way and closes the connections that the channel made.</summary>
    public void Dispose()
    {
        if (_stopping.IsCancellationRequested) return;
        _stopping.Cancel();
        Connections?.Dispose();
        _http.Dispose();
    }

    internal MethodEntry GetMethod(IMethod method)
    {
        ThrowIfDisposed();
        return _methods.TryGetValue(method, out var entry)
            ? entry
            : _methods.GetOrAdd(method, new MethodEntry(new Uri(_baseUri, method.FullName), _policies.Find(method)));
    }

    internal string GetServiceUrl(IMethod method) => $"{_baseUri.Scheme}://{Target}/{method.ServiceName}";

    /// <summary>Takes the service configuration that a resolver found.</summary>
    internal void UseServiceConfig(ServiceConfig config)
    {
        _policies = new PolicyTable(config, MaxRetryAttempts);
        _methods.Clear();
    }

    private static bool IsHttp(Uri address) => address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps;

    private static bool ResolveSecurity(Uri address, bool? asked)
    {
        if (!IsHttp(address))
        {
            return asked ?? throw new InvalidOperationException(
                $"Unable to determine the TLS configuration of the channel from address '{address}'. GrpcChannelOptions.Credentials must be set when the address has neither the http nor the https scheme.");
        }
        var secure = address.Scheme == Uri.UriSchemeHttps;
        if (asked is { } wanted && wanted != secure)
        {
            throw new InvalidOperationException($"Channel is configured with {(wanted ? "secure" : "insecure")} channel credentials and can't use a '{address.Scheme}' address.");
        }
        return secure;
    }

    private ConnectionManager RequireConnections() => _http.SupportsConnectivity && Connections is { } connections
        ? connections
        : throw new InvalidOperationException(
            "Channel is configured with an HTTP transport that doesn't support client-side load balancing or connectivity state tracking. It must be a SocketsHttpHandler without a ConnectCallback or proxy.");

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
}
