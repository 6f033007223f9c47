using Grpc.Net.Client.Balancer;

namespace Grpc.Net.Client;

/// <summary>The HTTP stack under a channel.</summary>
internal sealed class ChannelHttp : IDisposable
{
    // One response of the default size limit needs no round trip for window updates; the transport's own start is 64 KiB.
    private const int StreamWindow = 4 * 1024 * 1024;

    private readonly bool _owned;

    private ChannelHttp(HttpMessageInvoker invoker, SocketsHttpHandler? sockets, bool owned)
    {
        Invoker = invoker;
        Sockets = sockets;
        _owned = owned;
    }

    public HttpMessageInvoker Invoker { get; }

    /// <summary>The handler whose connections this library makes; null where a handler or client makes its own.</summary>
    public SocketsHttpHandler? Sockets { get; }

    public bool SupportsConnectivity => Sockets is not null;

    public static ChannelHttp Create(GrpcChannelOptions options, Uri address)
    {
        if (options.HttpClient is { } client) return new ChannelHttp(client, null, options.DisposeHttpClient);
        var handler = options.HttpHandler ?? CreateHandler();
        var sockets = FindSockets(handler, address);
        if (sockets is { ConnectCallback: null }) sockets.ConnectCallback = SocketTransport.ConnectCallback;
        var owned = options.HttpHandler is null || options.DisposeHttpClient;
        return new ChannelHttp(new HttpMessageInvoker(handler, owned), sockets, owned);
    }

    public static SocketsHttpHandler CreateHandler() => new() { EnableMultipleHttp2Connections = true, InitialHttp2StreamWindowSize = StreamWindow };

    public void Dispose()
    {
        if (_owned) Invoker.Dispose();
    }

    private static SocketsHttpHandler? FindSockets(HttpMessageHandler handler, Uri address)
    {
        HttpMessageHandler? inner = handler;
        while (inner is DelegatingHandler outer) inner = outer.InnerHandler;
        if (inner is not SocketsHttpHandler sockets) return null;
        if (sockets.ConnectCallback is { } callback) return callback == SocketTransport.ConnectCallback ? sockets : null;
        return UsesProxy(sockets, address) ? null : sockets;
    }

    private static bool UsesProxy(SocketsHttpHandler sockets, Uri address)
    {
        if (!sockets.UseProxy || !address.Scheme.StartsWith(Uri.UriSchemeHttp, StringComparison.Ordinal)) return false;
        var proxy = sockets.Proxy ?? HttpClient.DefaultProxy;
        return !proxy.IsBypassed(address) && proxy.GetProxy(address) is { } at && at != address;
    }
}
