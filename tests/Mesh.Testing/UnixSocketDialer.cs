using System.Net.Sockets;

namespace Mesh.Testing;

/// <summary>Connects an HTTP handler to a Unix socket, whatever address the request names.</summary>
public static class UnixSocketDialer
{
    /// <summary>A connect callback for <see cref="SocketsHttpHandler"/>.</summary>
    /// <param name="path">The socket's path.</param>
    public static Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> To(string path) => async (_, cancellation) =>
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    };
}
