using System.IO.Compression;
using Grpc.Net.Compression;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Grpc.Net.Client;

/// <summary>What a channel's options leave to defaults or to a service provider.</summary>
internal static class ChannelServices
{
    public static ILoggerFactory GetLoggerFactory(GrpcChannelOptions options) => options.LoggerFactory ?? Get<ILoggerFactory>(options) ?? NullLoggerFactory.Instance;

    public static T? Get<T>(GrpcChannelOptions options)
        where T : class => (T?)options.ServiceProvider?.GetService(typeof(T));

    public static IEnumerable<T> GetAll<T>(GrpcChannelOptions options)
        where T : class => Get<IEnumerable<T>>(options) ?? [];

    public static Dictionary<string, ICompressionProvider> GetCompressions(GrpcChannelOptions options)
    {
        var found = new Dictionary<string, ICompressionProvider>(StringComparer.Ordinal);
        var providers = options.CompressionProviders ?? [new GzipCompressionProvider(CompressionLevel.Fastest), new DeflateCompressionProvider(CompressionLevel.Fastest)];
        foreach (var provider in providers) found.TryAdd(provider.EncodingName, provider);
        return found;
    }

    /// <summary>The <c>host[:port]</c> that an address such as <c>dns:///host:port</c> names, or <c>localhost</c> where it names none.</summary>
    public static string GetHostPath(Uri address)
    {
        var path = address.IsAbsoluteUri ? address.AbsolutePath.TrimStart('/') : "";
        if (path.Length == 0) path = address.Authority;
        return Uri.TryCreate("http://" + path, UriKind.Absolute, out var parsed) && parsed.Host.Length > 0 ? parsed.Authority : "localhost";
    }
}
