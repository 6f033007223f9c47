using System.Net;
using System.Net.Sockets;
using Grpc.Core;

namespace Grpc.Net.Client.Balancer;

/// <summary>
/// Connects sockets, so that the channel knows of a server's state before a call is made. The first socket waits for the HTTP handler to ask for a connection;
/// further ones are made when it asks. When the last is closed, the subchannel is idle again.
/// </summary>
internal sealed class SocketTransport(Subchannel subchannel, TimeSpan connectTimeout) : SubchannelTransport, IDisposable
{
    /// <summary>Set on the HTTP handler; the request tells which subchannel it is for.</summary>
    public static readonly Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> ConnectCallback = OpenStreamAsync;

    private static readonly TimeSpan WaitingSocketCheck = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private WaitingSocket? _waiting;
    private Timer? _waitingCheck;
    private volatile BalancerAddress? _current;
    private int _open;
    private int _generation;

    public override BalancerAddress? CurrentAddress => _current;

    public override async Task<Status?> ConnectAsync(IReadOnlyList<BalancerAddress> addresses, CancellationToken cancellationToken)
    {
        Exception? last = null;
        foreach (var address in addresses)
        {
            try
            {
                var socket = await ConnectSocketAsync(address.EndPoint, connectTimeout, cancellationToken).ConfigureAwait(false);
                Keep(socket, address);
                return null;
            }
            catch (Exception exception) when (exception is SocketException or TimeoutException)
            {
                last = exception;
            }
        }
        return new Status(StatusCode.Unavailable, "Error connecting to subchannel.", last);
    }

    public override void Disconnect()
    {
        lock (_lock)
        {
            _generation++;
            _open = 0;
            _current = null;
            DropWaiting();
        }
    }

    public void Dispose() => Disconnect();

    private static async ValueTask<Stream> OpenStreamAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        if (context.InitialRequestMessage is Calls.GrpcRequestMessage { Picked.Subchannel.Transport: SocketTransport transport } request)
        {
            return await transport.OpenAsync(request.Picked.Address, cancellationToken).ConfigureAwait(false);
        }
        var socket = await ConnectSocketAsync(context.DnsEndPoint, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static async Task<Socket> ConnectSocketAsync(DnsEndPoint endPoint, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (timeout != Timeout.InfiniteTimeSpan) limit.CancelAfter(timeout);
        try
        {
            EndPoint target = IPAddress.TryParse(endPoint.Host, out var ip) ? new IPEndPoint(ip, endPoint.Port) : endPoint;
            await socket.ConnectAsync(target, limit.Token).ConfigureAwait(false);
            return socket;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new TimeoutException($"No connection to {endPoint.Host}:{endPoint.Port} within {timeout}.");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<Stream> OpenAsync(BalancerAddress address, CancellationToken cancellationToken)
    {
        int generation;
        WaitingSocket? socket = null;
        lock (_lock)
        {
            generation = _generation;
            if (_waiting is { } waiting && ReferenceEquals(_current, address))
            {
                if (!waiting.IsClosedByPeer())
                {
                    socket = waiting;
                    _waiting = null;
                }
                DropWaiting();
            }
            _open++;
        }
        try
        {
            socket ??= new WaitingSocket(await ConnectSocketAsync(address.EndPoint, connectTimeout, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            Closed(generation);
            throw;
        }
        return socket.Open(() => Closed(generation));
    }

    private void Keep(Socket socket, BalancerAddress address)
    {
        lock (_lock)
        {
            DropWaiting();
            _generation++;
            _open = 0;
            _current = address;
            _waiting = new WaitingSocket(socket);
            _waitingCheck = new Timer(static transport => ((SocketTransport)transport!).CheckWaiting(), this, WaitingSocketCheck, WaitingSocketCheck);
        }
    }

    private void CheckWaiting()
    {
        lock (_lock)
        {
            if (_waiting is not { } waiting || !waiting.IsClosedByPeer()) return;
            DropWaiting();
            if (_open > 0) return;
        }
        subchannel.OnDisconnected();
    }

    private void DropWaiting()
    {
        _waitingCheck?.Dispose();
        _waitingCheck = null;
        _waiting?.Dispose();
        _waiting = null;
    }

    private void Closed(int generation)
    {
        lock (_lock)
        {
            if (generation != _generation || --_open > 0 || _waiting is not null) return;
        }
        subchannel.OnDisconnected();
    }
}
