using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Mesh.Testing;

namespace Mesh.Grpc.Tests.Server;

/// <summary>An HTTP/2 connection written by hand, for what no client library would send.</summary>
internal sealed class RawConnection : IDisposable
{
    internal const byte Data = 0;
    internal const byte Headers = 1;
    internal const byte RstStream = 3;
    internal const byte Settings = 4;
    internal const byte Ping = 6;
    internal const byte GoAway = 7;
    internal const byte WindowUpdate = 8;
    internal const byte Continuation = 9;

    internal const byte EndStream = 1;
    internal const byte Ack = 1;
    internal const byte EndHeaders = 4;

    internal static readonly byte[] Preface = Encoding.ASCII.GetBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    private readonly TcpClient _tcp;

    /// <summary>Either side of a connection that is there.</summary>
    internal RawConnection(TcpClient tcp) => _tcp = tcp;

    private NetworkStream Stream => _tcp.GetStream();

    public void Dispose() => _tcp.Dispose();

    /// <summary>A connection that has sent nothing yet.</summary>
    internal static async Task<RawConnection> ConnectAsync(int port)
    {
        var connection = new RawConnection(new TcpClient { NoDelay = true });
        await connection._tcp.ConnectAsync("127.0.0.1", port).DefaultTimeout();
        return connection;
    }

    /// <summary>A connection that has sent the preface and empty settings.</summary>
    internal static async Task<RawConnection> OpenAsync(int port)
    {
        var connection = await ConnectAsync(port);
        await connection.SendAsync([.. Preface, .. Frame(Settings, 0, 0, [])]);
        return connection;
    }

    internal static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        frame[0] = (byte)(payload.Length >> 16);
        frame[1] = (byte)(payload.Length >> 8);
        frame[2] = (byte)payload.Length;
        frame[3] = type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, 9);
        return frame;
    }

    /// <summary>The header block of a call, as literals that HPACK neither compresses nor remembers.</summary>
    internal static byte[] CallHeaders(string path, params (string Name, string Value)[] metadata) => HeaderBlock(
    [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers"),
        .. metadata,
    ]);

    /// <summary>Headers of up to 126 characters a name or value, each a field of its own.</summary>
    internal static byte[] HeaderBlock(params (string Name, string Value)[] headers)
    {
        using var block = new MemoryStream();
        foreach (var (name, value) in headers)
        {
            block.WriteByte(0);
            foreach (var text in new[] { name, value })
            {
                block.WriteByte((byte)text.Length);
                block.Write(Encoding.ASCII.GetBytes(text));
            }
        }
        return block.ToArray();
    }

    /// <summary>Takes what a client's connection begins with.</summary>
    internal async Task ReadPrefaceAsync()
    {
        var preface = new byte[Preface.Length];
        await Stream.ReadExactlyAsync(preface).DefaultTimeout();
        preface.ShouldBe(Preface);
    }

    internal Task SendAsync(byte[] bytes) => Stream.WriteAsync(bytes).DefaultTimeout();

    /// <summary>Sends what the server may no longer take: it may have closed the connection already.</summary>
    internal async Task TrySendAsync(byte[] bytes)
    {
        try
        {
            await SendAsync(bytes);
        }
        catch (IOException)
        {
            // Closed while it was being sent.
        }
    }

    /// <summary>The next frame; null when the server has closed the connection.</summary>
    internal async Task<(byte Type, byte Flags, int Stream, byte[] Payload)?> ReadAsync()
    {
        try
        {
            var header = new byte[9];
            if (await Stream.ReadAtLeastAsync(header, 9, throwOnEndOfStream: false).DefaultTimeout() < 9)
                return null;
            var payload = new byte[(header[0] << 16) | (header[1] << 8) | header[2]];
            await Stream.ReadExactlyAsync(payload).DefaultTimeout();
            return (header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)), payload);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The first frame of a type; null when the server has closed the connection.</summary>
    internal async Task<(byte Type, byte Flags, int Stream, byte[] Payload)?> ReadUntilAsync(byte type, int? stream = null, byte flags = 0)
    {
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type == type && (stream is null || frame.Stream == stream) && (frame.Flags & flags) == flags)
                return frame;
        }
        return null;
    }

    /// <summary>Reads on until the server closes the connection.</summary>
    internal async Task<List<byte>> ReadToCloseAsync()
    {
        var types = new List<byte>();
        while (await ReadAsync() is { } frame)
            types.Add(frame.Type);
        return types;
    }
}
