using System.IO.Compression;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The options that a service's methods run with: its own over the global ones.</summary>
internal sealed class MethodOptions
{
    private MethodOptions(GrpcServiceOptions global, GrpcServiceOptions service)
    {
        var receive = service.MaxReceiveMessageSizeSpecified ? service.MaxReceiveMessageSize : global.MaxReceiveMessageSize;
        var send = service.MaxSendMessageSizeSpecified ? service.MaxSendMessageSize : global.MaxSendMessageSize;
        MaxReceiveMessageSize = receive ?? int.MaxValue;
        MaxSendMessageSize = send ?? int.MaxValue;
        EnableDetailedErrors = service.EnableDetailedErrors ?? global.EnableDetailedErrors ?? false;
        ResponseCompressionAlgorithm = service.ResponseCompressionAlgorithm ?? global.ResponseCompressionAlgorithm;
        ResponseCompressionLevel = service.ResponseCompressionLevel ?? global.ResponseCompressionLevel;
        Interceptors = [.. global.Interceptors, .. service.Interceptors];

        // The first of a name wins, and a service's own come first.
        foreach (var provider in service.CompressionProviders.Concat(global.CompressionProviders))
        {
            if (CompressionProviders.TryAdd(provider.EncodingName, provider))
                EncodingNames.Add(provider.EncodingName);
        }

        if (ResponseCompressionAlgorithm is { } name and not GrpcProtocol.IdentityEncoding && !CompressionProviders.ContainsKey(name))
        {
            throw new InvalidOperationException(
                $"The configured response compression algorithm '{name}' does not have a matching compression provider.");
        }
    }

    internal int MaxReceiveMessageSize { get; }

    internal int MaxSendMessageSize { get; }

    internal bool EnableDetailedErrors { get; }

    internal string? ResponseCompressionAlgorithm { get; }

    internal CompressionLevel? ResponseCompressionLevel { get; }

    internal InterceptorRegistration[] Interceptors { get; }

    internal Dictionary<string, ICompressionProvider> CompressionProviders { get; } = new(StringComparer.Ordinal);

    /// <summary>What grpc-accept-encoding names, in order.</summary>
    internal List<string> EncodingNames { get; } = [GrpcProtocol.IdentityEncoding];

    internal static MethodOptions Create(GrpcServiceOptions global, GrpcServiceOptions service) => new(global, service);
}
