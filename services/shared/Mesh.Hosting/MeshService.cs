using Microsoft.Extensions.Configuration;

namespace Mesh.Hosting;

/// <summary>What one service is, before it is configured.</summary>
/// <param name="Name">Short, such as <c>generator</c>; it names the service in logs, traces and on /readyz.</param>
/// <param name="Grpc">Where it listens for gRPC unless <c>Mesh:Listen:Grpc</c> says otherwise.</param>
/// <param name="Http">Where it listens for HTTP/1.1 unless <c>Mesh:Listen:Http</c> says otherwise; null: nowhere.</param>
public sealed record MeshService(string Name, string Grpc, string? Http = null)
{
    /// <summary>Largest message that it takes, in bytes; 64 MiB.</summary>
    public int MaxReceiveBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Largest message that it sends, in bytes; 64 MiB.</summary>
    public int MaxSendBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Whether this configuration makes every caller prove who it is, so that listening beyond the loopback is safe; mutual TLS always does.</summary>
    public Func<IConfiguration, bool>? HasKeys { get; init; }
}
