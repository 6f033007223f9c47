using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

public sealed class CallShapeTests
{
    public static TheoryData<Transport> Transports => [Transport.Plain, Transport.Tls, Transport.MutualTls, Transport.UnixSocket];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Unary_OnEachTransport_EchoesTheRequest(Transport transport)
    {
        await using var host = await TestHost.StartAsync(transports: transport);
        var payload = ByteString.CopyFrom([.. Enumerable.Range(0, 256).Select(i => (byte)i)]);
        using var call = host.Connect(transport).UnaryAsync(new TestRequest { Text = "grüezi", Payload = payload });
        var reply = await call.ResponseAsync.DefaultTimeout();
        reply.ShouldBe(new TestReply { Text = "grüezi", Payload = payload, ReceivedBytes = 256 });
        call.GetStatus().ShouldBe(new Status(StatusCode.OK, ""));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task ServerStream_OnEachTransport_DeliversAllInOrder(Transport transport)
    {
        await using var host = await TestHost.StartAsync(transports: transport);
        using var call = host.Connect(transport).ServerStream(new TestRequest { Text = "s", Count = 500 });
        var replies = await call.ReadAllAsync();
        replies.Select(reply => reply.Index).ShouldBe(Enumerable.Range(0, 500));
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task ClientStream_OnEachTransport_ReadsAll(Transport transport)
    {
        await using var host = await TestHost.StartAsync(transports: transport);
        using var call = host.Connect(transport).ClientStream();
        for (var i = 0; i < 500; i++)
            await call.RequestStream.WriteAsync(new TestRequest { Text = "x", Payload = ByteString.CopyFrom(new byte[i]) }).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        var reply = await call.ResponseAsync.DefaultTimeout();
        reply.ShouldBe(new TestReply { Text = new string('x', 500), Index = 500, ReceivedBytes = 124750 });
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Duplex_OnEachTransport_AnswersAsRequestsCome(Transport transport)
    {
        await using var host = await TestHost.StartAsync(transports: transport);
        using var call = host.Connect(transport).Duplex();
        for (var i = 0; i < 100; i++)
        {
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i}", Count = 2 }).DefaultTimeout();
            (await call.ResponseStream.NextAsync()).Text.ShouldBe($"{i}");
            (await call.ResponseStream.NextAsync()).Index.ShouldBe((2 * i) + 1);
        }
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeFalse();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Duplex_ReaderAndWriterAtOnce_LoseNothing()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().Duplex();
        const int Count = 2000;
        var reading = call.ResponseStream.ReadAllAsync().Select(reply => reply.Text).ToListAsync();
        for (var i = 0; i < Count; i++)
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i}" }).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await reading.DefaultTimeout()).ShouldBe(Enumerable.Range(0, Count).Select(i => $"{i}"));
    }

    [Fact]
    public async Task Unary_BlockingCall_ReturnsTheReply()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var reply = await Task.Run(() => client.Unary(new TestRequest { Text = "blocking" })).DefaultTimeout();
        reply.Text.ShouldBe("blocking");
        var error = Should.Throw<RpcException>(() => client.Unary(new TestRequest { Status = (int)StatusCode.NotFound, Detail = "gone" }));
        error.Status.ShouldBe(new Status(StatusCode.NotFound, "gone"));
    }

    [Fact]
    public async Task Statuses_EachCodeWithNonAsciiText_ArriveAsThrown()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        foreach (var code in Enum.GetValues<StatusCode>().Where(code => code != StatusCode.OK))
        {
            var detail = $"nº {code}: 100 % “schön” 日本 🍎\n";
            var error = await client.UnaryAsync(new TestRequest { Status = (int)code, Detail = detail }).ResponseAsync.ShouldFailAsync(code);
            error.Status.Detail.ShouldBe(detail);
        }
    }

    [Fact]
    public async Task Status_AfterReplies_FollowsThem()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().ServerStream(new TestRequest { Count = 3, Status = (int)StatusCode.DataLoss, Detail = "lost" });
        for (var i = 0; i < 3; i++)
            (await call.ResponseStream.NextAsync()).Index.ShouldBe(i);
        var error = await call.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.DataLoss);
        error.Status.Detail.ShouldBe("lost");
        call.GetStatus().StatusCode.ShouldBe(StatusCode.DataLoss);
    }

    [Fact]
    public async Task ConcurrentCalls_FiveHundred_AllRunAtOnce()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var calls = Enumerable.Range(0, 500).Select(_ => client.Duplex()).ToList();
        // Each call gets its first reply before any one ends, so all five hundred are open together.
        var first = await Task.WhenAll(calls.Select(async (call, i) =>
        {
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i}" });
            return (await call.ResponseStream.NextAsync()).Text;
        })).DefaultTimeout();
        first.ShouldBe(Enumerable.Range(0, 500).Select(i => $"{i}"));
        await Task.WhenAll(calls.Select(async call =>
        {
            await call.RequestStream.CompleteAsync();
            (await call.ResponseStream.MoveNext(default)).ShouldBeFalse();
        })).DefaultTimeout();
        calls.ForEach(call => call.Dispose());
    }
}
