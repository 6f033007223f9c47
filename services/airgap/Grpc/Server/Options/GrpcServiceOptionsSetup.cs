using System.IO.Compression;
using Grpc.Net.Compression;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

internal sealed class GrpcServiceOptionsSetup : IConfigureOptions<GrpcServiceOptions>
{
    internal const int DefaultMaxReceiveMessageSize = 4 * 1024 * 1024;

    public void Configure(GrpcServiceOptions options)
    {
        if (!options.MaxReceiveMessageSizeSpecified)
            options.MaxReceiveMessageSize = DefaultMaxReceiveMessageSize;

        if (!options.HasCompressionProviders)
        {
            options.CompressionProviders.Add(new GzipCompressionProvider(CompressionLevel.Fastest));
            options.CompressionProviders.Add(new DeflateCompressionProvider(CompressionLevel.Fastest));
        }
    }
}

/// <summary>A service starts from the global options; its own configuration runs after this.</summary>
internal sealed class GrpcServiceOptionsSetup<TService>(IOptions<GrpcServiceOptions> global) : IConfigureOptions<GrpcServiceOptions<TService>>
    where TService : class
{
    public void Configure(GrpcServiceOptions<TService> options)
    {
        var from = global.Value;
        options.MaxReceiveMessageSize = from.MaxReceiveMessageSize;
        options.MaxSendMessageSize = from.MaxSendMessageSize;
        options.EnableDetailedErrors = from.EnableDetailedErrors;
        options.ResponseCompressionAlgorithm = from.ResponseCompressionAlgorithm;
        options.ResponseCompressionLevel = from.ResponseCompressionLevel;
        options.CompressionProviders = [.. from.CompressionProviders];
        options.IgnoreUnknownServices = from.IgnoreUnknownServices;
        options.SuppressCreatingService = from.SuppressCreatingService;
    }
}
