using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Grpc.Tests.Server;
using Mesh.Testing;

namespace Mesh.Grpc.Tests.Client;

/// <summary>Connections that are there before their first call, to servers that do not wait for it.</summary>
public sealed class WaitingConnectionTests
{
    /// <param name="updates">How many window updates the server sends after its settings.</param>
    [Theory]
    [InlineData(0)]
    [InlineData(2000)]
    public async Task Call_ServerSpokeFirst_GetsEveryByteOfIt(int updates)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}");
        var connecting = channel.ConnectAsync();
        using var server = new RawConnection(await listener.AcceptTcpClientAsync().DefaultTimeout());
        await server.SendAsync(
        [
            .. RawConnection.Frame(RawConnection.Settings, 0, 0, []),
            .. Enumerable.Repeat(RawConnection.Frame(RawConnection.WindowUpdate, 0, 0, [0, 0, 0, 1]), updates).SelectMany(frame => frame),
        ]);
        await connecting.DefaultTimeout();

        using var call = channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "");
        await server.ReadPrefaceAsync();
        var request = await server.ReadUntilAsync(RawConnection.Data, flags: RawConnection.EndStream);
        var answer = RawConnection.HeaderBlock((":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7"));
        await server.SendAsync(
            RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders | RawConnection.EndStream, request.ShouldNotBeNull().Stream, answer));

        (await Wire.FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task State_ServerSaysGoodbyeAndCloses_IsNoLongerReady()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}");
        var connecting = channel.ConnectAsync();
        using var server = new RawConnection(await listener.AcceptTcpClientAsync().DefaultTimeout());
        await connecting.DefaultTimeout();

        var changed = channel.WaitForStateChangedAsync(ConnectivityState.Ready);
        await server.SendAsync([.. RawConnection.Frame(RawConnection.Settings, 0, 0, []), .. RawConnection.Frame(RawConnection.GoAway, 0, 0, new byte[8])]);
        server.Dispose();
        await changed.DefaultTimeout();

        channel.State.ShouldNotBe(ConnectivityState.Ready);
    }
}
