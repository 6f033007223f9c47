using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Testing;
using Mesh.Testing.V1;
using RpcStatus = Google.Rpc.Status;

namespace Mesh.Interop.Tests;

/// <summary>Our client against servers that are not ours: calls, sizes, errors and metadata.</summary>
/// <param name="server">The server.</param>
public abstract partial class TheirServerTests(TheirServer server)
{
    private static readonly byte[] AllBytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(bytes => bytes, bytes => bytes);

    [Fact]
    public async Task Unary_TextAndBytes_AreEchoed() => await EchoAsync(server.Connect());

    [Fact]
    public async Task Unary_EmptyMessage_ComesBackEmpty()
    {
        var reply = await server.Connect().UnaryAsync(new TestRequest()).ResponseAsync.DefaultTimeout();
        reply.CalculateSize().ShouldBe(0);
    }

    [Fact]
    public async Task ServerStream_TwoHundredReplies_ComeInOrder()
    {
        using var call = server.Connect().ServerStream(new TestRequest { Text = "s", Count = 200 });
        var replies = await call.ResponseStream.ReadAllAsync().ToListAsync().DefaultTimeout();
        replies.Select(reply => reply.Index).ShouldBe(Enumerable.Range(0, 200));
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task ServerStream_NoReply_EndsWithOk()
    {
        using var call = server.Connect().ServerStream(new TestRequest());
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeFalse();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task ClientStream_HundredMessages_AreAllRead()
    {
        using var call = server.Connect().ClientStream();
        for (var i = 0; i < 100; i++)
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i};", Payload = ByteString.CopyFrom(new byte[i]) }).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        var reply = await call.ResponseAsync.DefaultTimeout();
        reply.Text.ShouldBe(string.Concat(Enumerable.Range(0, 100).Select(i => $"{i};")));
        reply.Index.ShouldBe(100);
        reply.ReceivedBytes.ShouldBe(4950);
    }

    [Fact]
    public async Task Duplex_EachRequestAfterTheReplyBefore_IsAnswered()
    {
        using var call = server.Connect().Duplex();
        for (var i = 0; i < 50; i++)
        {
            await call.RequestStream.WriteAsync(new TestRequest { Text = $"{i}" }).DefaultTimeout();
            (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
            call.ResponseStream.Current.Text.ShouldBe($"{i}");
        }
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeFalse();
    }

    [Fact]
    public async Task Unary_SixtyFourMebibytesWithLimitsRaised_AreEchoed()
    {
        var client = server.Connect(configure: options => (options.MaxReceiveMessageSize, options.MaxSendMessageSize) = (null, null));
        var bytes = new byte[64 * 1024 * 1024];
        new Random(7).NextBytes(bytes);
        var reply = await client.UnaryAsync(new TestRequest { Payload = UnsafeByteOperations.UnsafeWrap(bytes) }).ResponseAsync.DefaultTimeout();
        reply.Payload.Span.SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public async Task Unary_ReplyAboveTheDefaultLimit_FailsAndTheChannelLives()
    {
        var client = server.Connect();
        var call = client.UnaryAsync(new TestRequest { ReplyBytes = 5 * 1024 * 1024 });
        (await FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        await EchoAsync(client);
    }

    [Fact]
    public async Task Unary_EveryStatusWithNonAsciiText_ArrivesAsSent()
    {
        var client = server.Connect();
        for (var code = 1; code <= 16; code++)
        {
            var detail = $"nº {code}: 100 % “schön” 日本 🍎";
            var error = await FailureAsync(client.UnaryAsync(new TestRequest { Status = code, Detail = detail }).ResponseAsync);
            error.StatusCode.ShouldBe((StatusCode)code);
            error.Status.Detail.ShouldBe(detail);
        }
    }

    [Fact]
    public async Task ServerStream_ErrorAfterReplies_GivesTheRepliesFirst()
    {
        using var call = server.Connect().ServerStream(new TestRequest { Count = 3, Status = (int)StatusCode.Aborted, Detail = "ändern" });
        for (var i = 0; i < 3; i++)
            (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        var error = await FailureAsync(call.ResponseStream.MoveNext(default));
        error.StatusCode.ShouldBe(StatusCode.Aborted);
        error.Status.Detail.ShouldBe("ändern");
    }

    [Fact]
    public async Task RichError_BadRequest_IsReadFromTheTrailers()
    {
        var request = new TestRequest
        {
            Status = (int)StatusCode.InvalidArgument,
            Detail = "two fields",
            BadFields = { ["prompt"] = "is empty", ["images[0].größe"] = "must be 512" },
        };
        var error = await FailureAsync(server.Connect().UnaryAsync(request).ResponseAsync);
        var status = RpcStatus.Parser.ParseFrom(error.Trailers.GetValueBytes("grpc-status-details-bin"));
        status.Code.ShouldBe((int)Code.InvalidArgument);
        status.Message.ShouldBe("two fields");
        var bad = status.Details.ShouldHaveSingleItem().Unpack<BadRequest>();
        bad.FieldViolations.ToDictionary(violation => violation.Field, violation => violation.Description).ShouldBe(request.BadFields, ignoreOrder: true);
    }

    [Fact]
    public async Task Metadata_TextAndBytesWithDuplicates_ComeBackAsHeadersAndTrailers()
    {
        var metadata = new Metadata
        {
            { "x-text", "one" }, { "x-text", "two words" }, { "x-data-bin", AllBytes }, { "x-none-bin", [] },
        };
        // A name given twice comes back twice.
        string[] names = ["x-text", "x-data-bin", "x-data-bin", "x-none-bin", "x-absent"];
        using var call = server.Connect().UnaryAsync(new TestRequest { EchoHeaders = { names }, EchoTrailers = { names } }, metadata);
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.DefaultTimeout();
        foreach (var received in new[] { headers, call.GetTrailers() })
        {
            // HTTP lets every hop join equal names with a comma.
            string.Join(',', received.GetAll("x-text").Select(entry => entry.Value)).Replace(", ", ",", StringComparison.Ordinal).ShouldBe("one,two words");
            received.GetAll("x-data-bin").Select(entry => entry.ValueBytes).ShouldBe([AllBytes, AllBytes]);
            received.GetAll("x-none-bin").ShouldHaveSingleItem().ValueBytes.ShouldBeEmpty();
            received.Get("x-absent").ShouldBeNull();
        }
    }

    [Fact]
    public async Task Metadata_TrailersOfAFailedCall_AreInTheException()
    {
        var request = new TestRequest { Status = (int)StatusCode.FailedPrecondition, EchoTrailers = { "x-text", "x-data-bin" } };
        var metadata = new Metadata { { "x-text", "kept" }, { "x-data-bin", [1, 2, 3] } };
        var error = await FailureAsync(server.Connect().UnaryAsync(request, metadata).ResponseAsync);
        error.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        error.Trailers.GetValue("x-text").ShouldBe("kept");
        error.Trailers.GetValueBytes("x-data-bin").ShouldBe([1, 2, 3]);
    }

    [Fact]
    public async Task UnknownMethod_Call_IsUnimplemented()
    {
        using var channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = server.CreateHandler(Transport.UnixSocket),
            DisposeHttpClient = true,
        });
        var method = new Method<byte[], byte[]>(MethodType.Unary, "mesh.testing.v1.TestService", "Gone", Bytes, Bytes);
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(method, null, new CallOptions(), []);
        (await FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.Unimplemented);
    }

    private static async Task EchoAsync(TestService.TestServiceClient client)
    {
        var payload = ByteString.CopyFrom(AllBytes);
        var reply = await client.UnaryAsync(new TestRequest { Text = "grüezi", Payload = payload }).ResponseAsync.DefaultTimeout();
        reply.Text.ShouldBe("grüezi");
        reply.Payload.ShouldBe(payload);
    }

    private static Task<RpcException> FailureAsync(Task call) => Should.ThrowAsync<RpcException>(() => call.DefaultTimeout());
}

public sealed class NodeServerTests(NodeServer server) : TheirServerTests(server), IClassFixture<NodeServer>;

public sealed class PythonServerTests(PythonServer server) : TheirServerTests(server), IClassFixture<PythonServer>;
