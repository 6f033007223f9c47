using System.Buffers.Binary;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Garbage below gRPC: prefaces, frames, resets and lost connections.</summary>
public sealed class RawHttp2Tests
{
    private const int ProtocolError = 1;
    private const int FrameSizeError = 6;

    private static byte[] Call => RawConnection.CallHeaders(WireClient.Unary);

    public static TheoryData<string, byte[], int[]> Frames { get; } = new()
    {
        { "data on stream 0", RawConnection.Frame(RawConnection.Data, 0, 0, [1]), [ProtocolError] },
        { "data on an idle stream", RawConnection.Frame(RawConnection.Data, 0, 1, [1]), [ProtocolError, 5] },
        { "headers on an even stream", RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 2, Call), [ProtocolError] },
        { "continuation without headers", RawConnection.Frame(RawConnection.Continuation, RawConnection.EndHeaders, 1, Call), [ProtocolError] },
        { "reset of an idle stream", RawConnection.Frame(RawConnection.RstStream, 0, 5, [0, 0, 0, 8]), [ProtocolError] },
        { "reset of the wrong size", RawConnection.Frame(RawConnection.RstStream, 0, 1, [0]), [FrameSizeError, ProtocolError] },
        { "settings of the wrong size", RawConnection.Frame(RawConnection.Settings, 0, 0, [1, 2, 3]), [FrameSizeError] },
        { "settings on a stream", RawConnection.Frame(RawConnection.Settings, 0, 3, []), [ProtocolError] },
        { "ping of the wrong size", RawConnection.Frame(RawConnection.Ping, 0, 0, [1]), [FrameSizeError] },
        { "window update of zero", RawConnection.Frame(RawConnection.WindowUpdate, 0, 0, [0, 0, 0, 0]), [ProtocolError] },
        { "headers that are no HPACK", RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), [9] },
        { "a frame above the frame size", [0x01, 0x00, 0x00, RawConnection.Data, 0, 0, 0, 0, 1], [FrameSizeError] },
    };

    [Theory]
    [MemberData(nameof(Frames))]
    public async Task Frame_AgainstTheProtocol_EndsTheConnectionAlone(string what, byte[] frame, int[] errors)
    {
        await using var host = await ServerHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(host.Server.Port());

        await raw.TrySendAsync(frame);
        var goAway = await raw.ReadUntilAsync(RawConnection.GoAway);

        goAway.ShouldNotBeNull(what);
        errors.ShouldContain(BinaryPrimitives.ReadInt32BigEndian(goAway.Value.Payload.AsSpan(4)), what);
        await raw.ReadToCloseAsync();
        await host.Client.ExpectServingAsync();
    }

    [Theory]
    [InlineData("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]
    public async Task Preface_Wrong_ClosesTheConnectionAlone(string preface)
    {
        await using var host = await ServerHost.StartAsync();
        using var raw = await RawConnection.ConnectAsync(host.Server.Port());

        await raw.TrySendAsync([.. preface.Select(c => (byte)c)]);

        await raw.ReadToCloseAsync();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Garbage_OnAHundredConnections_LeavesTheServerServing()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        var random = new Random(7);
        for (var i = 0; i < 100; i++)
        {
            using var raw = await RawConnection.OpenAsync(host.Server.Port());
            var payload = new byte[random.Next(0, 200)];
            random.NextBytes(payload);
            await raw.TrySendAsync(RawConnection.Frame((byte)random.Next(0, 12), (byte)random.Next(256), random.Next(0, 8), payload));
            if (i % 2 == 0)
                await raw.TrySendAsync(payload);
        }

        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Reset_MidBody_EndsTheCallAndKeepsTheConnection()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        using var raw = await RawConnection.OpenAsync(host.Server.Port());

        await raw.SendAsync(RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 1, RawConnection.CallHeaders(WireClient.Duplex)));
        await raw.SendAsync(RawConnection.Frame(RawConnection.Data, 0, 1, [0, 0, 0, 0, 100, 1, 2]));
        await raw.SendAsync(RawConnection.Frame(RawConnection.RstStream, 0, 1, [0, 0, 0, 8]));

        // The same connection carries a whole call after it.
        await raw.SendAsync(RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 3, Call));
        await raw.SendAsync(RawConnection.Frame(RawConnection.Data, RawConnection.EndStream, 3, WireClient.Frame(new TestRequest { Text = "on" })));
        var data = await raw.ReadUntilAsync(RawConnection.Data, stream: 3);
        data.ShouldNotBeNull();
        TestReply.Parser.ParseFrom(data.Value.Payload.AsSpan(5)).Text.ShouldBe("on");
        (await raw.ReadUntilAsync(RawConnection.Headers, stream: 3, flags: RawConnection.EndStream)).ShouldNotBeNull();
        await host.Counter.Idle.DefaultTimeout();
    }

    [Fact]
    public async Task Connection_LostMidBody_CancelsItsCalls()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Duplex = async (requests, _, context) =>
        {
            await using var registration = context.CancellationToken.Register(cancelled.SetResult);
            started.SetResult();
            await requests.MoveNext(CancellationToken.None);
        };
        using (var raw = await RawConnection.OpenAsync(host.Server.Port()))
        {
            await raw.SendAsync(RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 1, RawConnection.CallHeaders(WireClient.Duplex)));
            await raw.SendAsync(RawConnection.Frame(RawConnection.Data, 0, 1, [0, 0, 0]));
            await started.Task.DefaultTimeout();
        }

        await cancelled.Task.DefaultTimeout();
        await host.Counter.Idle.DefaultTimeout();
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task GoAway_OfTheClient_LetsItsCallEnd()
    {
        await using var host = await ServerHost.StartAsync();
        var release = new TaskCompletionSource();
        host.Script.Unary = async (request, _) =>
        {
            await release.Task;
            return Script.Echo(request);
        };
        using var raw = await RawConnection.OpenAsync(host.Server.Port());
        await raw.SendAsync(RawConnection.Frame(RawConnection.Headers, RawConnection.EndHeaders, 1, Call));
        await raw.SendAsync(RawConnection.Frame(RawConnection.Data, RawConnection.EndStream, 1, WireClient.Frame(new TestRequest())));
        await raw.SendAsync(RawConnection.Frame(RawConnection.GoAway, 0, 0, new byte[8]));
        release.SetResult();

        (await raw.ReadUntilAsync(RawConnection.Headers, stream: 1, flags: RawConnection.EndStream)).ShouldNotBeNull();
        await host.Counter.Idle.DefaultTimeout();
    }

    [Fact]
    public async Task Ping_BetweenFrames_IsAnswered()
    {
        await using var host = await ServerHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(host.Server.Port());

        await raw.SendAsync(RawConnection.Frame(RawConnection.Ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]));
        var pong = await raw.ReadUntilAsync(RawConnection.Ping, flags: RawConnection.Ack);

        pong.ShouldNotBeNull().Payload.ShouldBe([1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
