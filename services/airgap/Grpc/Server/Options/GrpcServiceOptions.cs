using System.IO.Compression;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server;

/// <summary>Options of all gRPC services of an application.</summary>
public class GrpcServiceOptions
{
    private IList<ICompressionProvider>? _compressionProviders;
    private int? _maxReceiveMessageSize;
    private int? _maxSendMessageSize;

    /// <summary>Largest message sent, in bytes; null is no limit (the default).</summary>
    public int? MaxSendMessageSize
    {
        get => _maxSendMessageSize;
        set
        {
            _maxSendMessageSize = value;
            MaxSendMessageSizeSpecified = true;
        }
    }

    /// <summary>Largest message received, in bytes, after decompression; null is no limit. The default is 4 MiB.</summary>
    public int? MaxReceiveMessageSize
    {
        get => _maxReceiveMessageSize;
        set
        {
            _maxReceiveMessageSize = value;
            MaxReceiveMessageSizeSpecified = true;
        }
    }

    /// <summary>Whether <see cref="MaxSendMessageSize"/> was set, be it to null.</summary>
    public bool MaxSendMessageSizeSpecified { get; set; }

    /// <summary>Whether <see cref="MaxReceiveMessageSize"/> was set, be it to null.</summary>
    public bool MaxReceiveMessageSizeSpecified { get; set; }

    /// <summary>Whether the text of an unexpected exception goes to the caller; default false.</summary>
    public bool? EnableDetailedErrors { get; set; }

    /// <summary>Encoding of responses, used when the caller accepts it; default none.</summary>
    public string? ResponseCompressionAlgorithm { get; set; }

    /// <summary>Level of response compression; null leaves it to the provider.</summary>
    public CompressionLevel? ResponseCompressionLevel { get; set; }

    /// <summary>Encodings that messages may come and go in; gzip and deflate by default.</summary>
    public IList<ICompressionProvider> CompressionProviders
    {
        get => _compressionProviders ??= [];
        set => _compressionProviders = value;
    }

    /// <summary>Interceptors, outermost first.</summary>
    public InterceptorCollection Interceptors { get; } = [];

    /// <summary>Whether calls of unknown services and methods are left to other endpoints, in place of UNIMPLEMENTED.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    /// <summary>Whether a service that the container does not know is refused, in place of being created for each call.</summary>
    public bool SuppressCreatingService { get; set; }

    internal bool HasCompressionProviders => _compressionProviders is { Count: > 0 };
}

/// <summary>Options of one service; what is not set comes from <see cref="GrpcServiceOptions"/>.</summary>
public class GrpcServiceOptions<TService> : GrpcServiceOptions
    where TService : class
{
}
