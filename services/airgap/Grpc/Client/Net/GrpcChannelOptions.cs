using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Compression;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

/// <summary>What a channel is made with.</summary>
public sealed class GrpcChannelOptions
{
    public GrpcChannelOptions()
    {
    }

    public ChannelCredentials? Credentials { get; set; }

    /// <summary>Bytes; null: no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>Bytes; null: no limit. 4 MiB unless set.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>A cap on the attempts of any retry or hedging policy; null: none. 5 unless set.</summary>
    public int? MaxRetryAttempts { get; set; } = 5;

    /// <summary>Bytes that all calls together keep for retries; null: no limit. 16 MiB unless set.</summary>
    public long? MaxRetryBufferSize { get; set; } = 16 * 1024 * 1024;

    /// <summary>Bytes that one call keeps for retries; beyond them it is no longer retried. Null: no limit. 1 MiB unless set.</summary>
    public long? MaxRetryBufferPerCallSize { get; set; } = 1024 * 1024;

    /// <summary>Gzip and deflate unless set.</summary>
    public IList<ICompressionProvider>? CompressionProviders { get; set; }

    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>Or <see cref="HttpHandler"/>, not both.</summary>
    public HttpClient? HttpClient { get; set; }

    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether disposing the channel disposes the client or handler given here.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Throw <see cref="OperationCanceledException"/> rather than <see cref="RpcException"/> for a cancelled call or a passed deadline.</summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }

    /// <summary>Send call credentials over a channel without TLS.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }

    public ServiceConfig? ServiceConfig { get; set; }

    /// <summary>Ignore the service configuration that a resolver finds.</summary>
    public bool DisableResolverServiceConfig { get; set; }

    /// <summary>The longest wait between attempts to connect; null: no cap. Two minutes unless set.</summary>
    public TimeSpan? MaxReconnectBackoff { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>The first wait between attempts to connect. One second unless set.</summary>
    public TimeSpan InitialReconnectBackoff { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Where resolver and load balancer factories, and a logger factory, are looked up.</summary>
    public IServiceProvider? ServiceProvider { get; set; }

    public Version? HttpVersion { get; set; }

    public HttpVersionPolicy? HttpVersionPolicy { get; set; }
}
