using System.IO.Compression;
using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Messages that do not fit their frames, limits and encodings.</summary>
public sealed class FramingTests
{
    private static readonly TestRequest Compressible = new() { Text = new string('m', 5000) };

    public static TheoryData<string, byte[], StatusCode> Malformed { get; } = new()
    {
        { "nothing", [], StatusCode.Internal },
        { "half a prefix", [0, 0, 0], StatusCode.Internal },
        { "prefix alone", [0, 0, 0, 0, 9], StatusCode.Internal },
        { "short payload", [0, 0, 0, 0, 9, 10, 1], StatusCode.Internal },
        { "two messages", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], StatusCode.Internal },
        { "a byte too many", [0, 0, 0, 0, 0, 0], StatusCode.Internal },
        { "flag 2", [2, 0, 0, 0, 0], StatusCode.Unknown },
        { "length above 2 GiB", [0, 0xFF, 0xFF, 0xFF, 0xFF], StatusCode.Unknown },
        { "length above the limit", [0, 0x00, 0x40, 0x00, 0x01], StatusCode.ResourceExhausted },
        { "no protobuf", [0, 0, 0, 0, 2, 0x0A, 0x7F], StatusCode.Unknown },
        { "compressed without encoding", [1, 0, 0, 0, 0], StatusCode.Internal },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task Unary_MalformedBody_FailsAndTheServerGoesOn(string what, byte[] body, StatusCode expected)
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();

        var reply = await host.Client.CallAsync(WireClient.Unary, body);

        reply.Status.ShouldBe((int)expected, what);
        reply.Messages.ShouldBeEmpty();
        host.Counter.Total.ShouldBe(0, "the handler must not see a message that is not there");
        await host.Client.ExpectServingAsync();
    }

    [Theory]
    [InlineData(WireClient.ClientStream)]
    [InlineData(WireClient.Duplex)]
    public async Task Stream_TruncatedSecondMessage_FailsAfterTheFirst(string path)
    {
        await using var host = await ServerHost.StartAsync();
        byte[] body = [.. WireClient.Frame(new TestRequest { Text = "whole" }), 0, 0, 0, 0, 50, 1, 2];

        var reply = await host.Client.CallAsync(path, body);

        reply.Status.ShouldBe((int)StatusCode.Internal);
        reply.Detail.ShouldBe("Incomplete message.");
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Unary_MessageAtTheLimit_IsTaken()
    {
        await using var host = await ServerHost.StartAsync(options => options.MaxReceiveMessageSize = 1000);
        var request = new TestRequest();
        request.Payload = ByteString.CopyFrom(new byte[1000 - new TestRequest { Payload = ByteString.CopyFrom(new byte[200]) }.CalculateSize() + 200]);
        request.CalculateSize().ShouldBe(1000);

        (await host.Client.CallAsync(WireClient.Unary, request)).Status.ShouldBe(0);
    }

    [Fact]
    public async Task Unary_MessageAboveTheLimit_IsRefusedBeforeItHasArrived()
    {
        await using var host = await ServerHost.StartAsync(options => options.MaxReceiveMessageSize = 1000);
        using var content = new OpenContent();

        var open = host.Client.OpenAsync(WireClient.Request(WireClient.Unary, content));
        await content.WriteAsync([0, 0, 0, 0x03, 0xE9]);
        var reply = await open;
        content.End();

        reply.Status.ShouldBe((int)StatusCode.ResourceExhausted);
        reply.Detail.ShouldBe("Received message exceeds the maximum configured message size.");
    }

    [Fact]
    public async Task Unary_NoReceiveLimit_TakesMoreThanTheDefault()
    {
        await using var host = await ServerHost.StartAsync(options => options.MaxReceiveMessageSize = null);

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Payload = ByteString.CopyFrom(new byte[5_000_000]) });

        reply.Status.ShouldBe(0);
        reply.Reply().ReceivedBytes.ShouldBe(5_000_000);
    }

    [Fact]
    public async Task Unary_DefaultReceiveLimit_IsFourMebibytes()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Payload = ByteString.CopyFrom(new byte[4 * 1024 * 1024]) });

        reply.Status.ShouldBe((int)StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task Unary_ReplyAboveTheSendLimit_Fails()
    {
        await using var host = await ServerHost.StartAsync(options => options.MaxSendMessageSize = 100);

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = new string('x', 200) });

        reply.Status.ShouldBe((int)StatusCode.ResourceExhausted);
        reply.Detail.ShouldBe("Sending message exceeds the maximum configured message size.");
        reply.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task Unary_GzipRequest_IsUnpacked()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(
            WireClient.Unary, WireClient.Frame(WireClient.Gzip(Compressible.ToByteArray()), flag: 1), ("grpc-encoding", "gzip"));

        reply.Status.ShouldBe(0, reply.Detail);
        reply.Reply().Text.ShouldBe(Compressible.Text);
        reply.Messages[0].Flag.ShouldBe((byte)0);
    }

    [Fact]
    public async Task Unary_GzipEncodingButPlainFlag_IsPlain()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, Compressible, ("grpc-encoding", "gzip"));

        reply.Reply().Text.ShouldBe(Compressible.Text);
    }

    [Fact]
    public async Task Unary_GzipBomb_IsRefusedAtTheLimit()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        var bomb = WireClient.Gzip(new TestRequest { Payload = ByteString.CopyFrom(new byte[64 * 1024 * 1024]) }.ToByteArray());
        bomb.Length.ShouldBeLessThan(4 * 1024 * 1024);

        var reply = await host.Client.CallAsync(WireClient.Unary, WireClient.Frame(bomb, flag: 1), ("grpc-encoding", "gzip"));

        reply.Status.ShouldNotBe(0);
        host.Counter.Total.ShouldBe(0);
        await host.Client.ExpectServingAsync();
    }

    [Fact]
    public async Task Unary_BrokenGzip_Fails()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();

        var reply = await host.Client.CallAsync(WireClient.Unary, WireClient.Frame([1, 2, 3, 4, 5], flag: 1), ("grpc-encoding", "gzip"));

        reply.Status.ShouldBe((int)StatusCode.Unknown);
        host.Counter.Total.ShouldBe(0);
    }

    [Fact]
    public async Task Unary_IdentityEncodingButCompressedFlag_Fails()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, WireClient.Frame([], flag: 1), ("grpc-encoding", "identity"));

        reply.Status.ShouldBe((int)StatusCode.Internal);
        reply.Detail.ShouldBe("Request sent 'identity' grpc-encoding value with compressed message.");
    }

    [Fact]
    public async Task Unary_UnknownEncoding_FailsAndNamesTheKnownOnes()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, WireClient.Frame([1], flag: 1), ("grpc-encoding", "zebra"));

        reply.Status.ShouldBe((int)StatusCode.Unimplemented);
        reply.Detail!.ShouldStartWith("Unsupported grpc-encoding value 'zebra'. Supported encodings: identity, gzip");
        reply.Header("grpc-accept-encoding")!.Split(',').ShouldContain("gzip");
    }

    [Fact]
    public async Task Unary_ResponseCompression_PacksForCallersWhoAcceptIt()
    {
        await using var host = await ServerHost.StartAsync(options => options.ResponseCompressionAlgorithm = "gzip");

        var packed = await host.Client.CallAsync(WireClient.Unary, Compressible, ("grpc-accept-encoding", "identity,gzip"));
        var plain = await host.Client.CallAsync(WireClient.Unary, Compressible, ("grpc-accept-encoding", "identity"));

        packed.Header("grpc-encoding").ShouldBe("gzip");
        packed.Messages[0].Flag.ShouldBe((byte)1);
        packed.Messages[0].Payload.Length.ShouldBeLessThan(500);
        Unpack(packed.Messages[0].Payload).Text.ShouldBe(Compressible.Text);
        plain.Messages[0].Flag.ShouldBe((byte)0);
        plain.Reply().Text.ShouldBe(Compressible.Text);
    }

    [Fact]
    public async Task ServerStream_NoCompress_LeavesSingleMessagesPlain()
    {
        await using var host = await ServerHost.StartAsync(options =>
        {
            options.ResponseCompressionAlgorithm = "gzip";
            options.ResponseCompressionLevel = CompressionLevel.Optimal;
        });
        host.Script.ServerStream = async (request, replies, _) =>
        {
            for (var i = 0; i < 4; i++)
            {
                replies.WriteOptions = i % 2 == 0 ? new WriteOptions(WriteFlags.NoCompress) : null;
                await replies.WriteAsync(Script.Echo(request, i));
            }
        };

        var reply = await host.Client.CallAsync(WireClient.ServerStream, Compressible, ("grpc-accept-encoding", "gzip"));

        reply.Status.ShouldBe(0);
        reply.Messages.Select(message => message.Flag).ShouldBe([0, 1, 0, 1]);
        Unpack(reply.Messages[3].Payload).Index.ShouldBe(3);
    }

    [Fact]
    public async Task Unary_ServiceOptions_StandOverGlobalOnes()
    {
        await using var host = await ServerHost.StartAsync(
            options => options.MaxReceiveMessageSize = 10,
            services => services.AddGrpc().AddServiceOptions<ScriptedService>(options => options.MaxReceiveMessageSize = 2000));

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = new string('x', 1000) })).Status.ShouldBe(0);
        (await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = new string('x', 3000) }))
            .Status.ShouldBe((int)StatusCode.ResourceExhausted);
    }

    private static TestReply Unpack(byte[] payload)
    {
        using var gzip = new GZipStream(new MemoryStream(payload), CompressionMode.Decompress);
        return TestReply.Parser.ParseFrom(gzip);
    }
}
