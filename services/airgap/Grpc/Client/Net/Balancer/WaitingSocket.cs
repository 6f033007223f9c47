using System.Net.Sockets;

namespace Grpc.Net.Client.Balancer;

/// <summary>
/// A connected socket that no HTTP connection uses yet. What the server says meanwhile is taken, since bytes left unread would hide that it has closed,
/// and handed on with the stream.
/// </summary>
internal sealed class WaitingSocket(Socket socket) : IDisposable
{
    private const int FirstSize = 256;

    // Settings, a window update and a farewell are far less; what comes beyond waits in the socket.
    private const int MaxTaken = 16 * 1024;

    private byte[] _taken = [];
    private int _count;

    /// <summary>Whether the server has closed the connection, or reset it. Does not wait.</summary>
    public bool IsClosedByPeer()
    {
        try
        {
            while (socket.Poll(0, SelectMode.SelectRead))
            {
                if (_count == MaxTaken) return socket.Available == 0;
                if (_count == _taken.Length) Array.Resize(ref _taken, Math.Max(FirstSize, 2 * _count));
                var count = socket.Receive(_taken.AsSpan(_count));
                if (count == 0) return true;
                _count += count;
            }
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    /// <summary>The connection as a stream, which owns the socket from then on.</summary>
    /// <param name="closed">Is told when the stream is closed.</param>
    public Stream Open(Action closed) => new TrackedStream(new NetworkStream(socket, ownsSocket: true), _taken.AsMemory(0, _count), closed);

    public void Dispose() => socket.Dispose();
}
