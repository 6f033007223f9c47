using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Server;

public sealed class UnaryCallTests
{
    [Fact]
    public async Task Unary_Echo_AnswersMessageAndStatusInTrailers()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = "hello", Payload = ByteString.CopyFrom(1, 2, 3) });

        reply.HttpStatus.ShouldBe(HttpStatusCode.OK);
        reply.ContentType.ShouldBe("application/grpc");
        reply.IsTrailersOnly.ShouldBeFalse();
        reply.Status.ShouldBe(0);
        reply.Detail.ShouldBeNull();
        reply.Messages.Count.ShouldBe(1);
        reply.Messages[0].Flag.ShouldBe((byte)0);
        reply.Reply().ShouldBe(new TestReply { Text = "hello", Payload = ByteString.CopyFrom(1, 2, 3), ReceivedBytes = 3 });
    }

    [Fact]
    public async Task Unary_EmptyMessages_AreFramesOfLengthZero()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Status.ShouldBe(0);
        reply.Messages.Single().Payload.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4090)]
    [InlineData(65_536)]
    [InlineData(3_000_000)]
    public async Task Unary_PayloadOfAnySize_ComesBackUnchanged(int size)
    {
        await using var host = await ServerHost.StartAsync();
        var payload = new byte[size];
        new Random(size).NextBytes(payload);

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Payload = ByteString.CopyFrom(payload) });

        reply.Status.ShouldBe(0);
        reply.Reply().Payload.Span.SequenceEqual(payload).ShouldBeTrue();
    }

    [Fact]
    public async Task Unary_ThrowsRpcException_AnswersTrailersOnlyWithItsStatusAndTrailers()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.Unary = (_, context) =>
        {
            context.ResponseTrailers.Add("from-context", "1");
            throw new RpcException(
                new Status(StatusCode.FailedPrecondition, "not now"),
                new Metadata { { "from-exception", "2" }, { "grpc-status-details-bin", [0x08, 0x09] } });
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.HttpStatus.ShouldBe(HttpStatusCode.OK);
        reply.IsTrailersOnly.ShouldBeTrue();
        reply.Messages.ShouldBeEmpty();
        reply.Status.ShouldBe((int)StatusCode.FailedPrecondition);
        reply.Detail.ShouldBe("not now");
        reply.Trailer("from-context").ShouldBe("1");
        reply.Trailer("from-exception").ShouldBe("2");
        reply.Trailer("grpc-status-details-bin")!.TrimEnd('=').ShouldBe("CAk");
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("100% sure", "100%25 sure")]
    [InlineData("zwei\nZeilen", "zwei%0AZeilen")]
    [InlineData("größer", "gr%C3%B6%C3%9Fer")]
    [InlineData("\U0001F34E", "%F0%9F%8D%8E")]
    public async Task Unary_StatusDetail_IsPercentEncodedUtf8(string detail, string encoded)
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.Unary = (_, _) => throw new RpcException(new Status(StatusCode.NotFound, detail));

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Trailer("grpc-message").ShouldBe(encoded);
        reply.Detail.ShouldBe(detail);
    }

    [Fact]
    public async Task Unary_SetsStatusAndReturns_AnswersMessageWithThatStatus()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.Unary = (request, context) =>
        {
            context.Status = new Status(StatusCode.DataLoss, "half of it");
            return Task.FromResult(Script.Echo(request));
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest { Text = "x" });

        reply.Messages.Count.ShouldBe(1);
        reply.Status.ShouldBe((int)StatusCode.DataLoss);
        reply.Detail.ShouldBe("half of it");
    }

    [Fact]
    public async Task Unary_ThrowsUnexpected_AnswersUnknownWithoutItsText()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        host.Script.Unary = (_, _) => throw new InvalidOperationException("the password is swordfish");

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Status.ShouldBe((int)StatusCode.Unknown);
        reply.Detail.ShouldBe("Exception was thrown by handler.");
    }

    [Fact]
    public async Task Unary_ThrowsUnexpectedWithDetailedErrors_AnswersItsText()
    {
        await using var host = await ServerHost.StartAsync(options => options.EnableDetailedErrors = true);
        host.ExpectHandlerErrors();
        host.Script.Unary = (_, _) => throw new InvalidOperationException("outer", new ArgumentException("inner"));

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Status.ShouldBe((int)StatusCode.Unknown);
        reply.Detail.ShouldBe("Exception was thrown by handler. InvalidOperationException: outer ArgumentException: inner");
    }

    [Fact]
    public async Task Unary_ReturnsNull_AnswersCancelled()
    {
        await using var host = await ServerHost.StartAsync();
        host.Script.Unary = (_, _) => Task.FromResult<TestReply>(null!);

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Status.ShouldBe((int)StatusCode.Cancelled);
        reply.Detail.ShouldBe("No message returned from method.");
    }

    [Fact]
    public async Task Unary_WritesHeaders_ArriveBeforeTheMessage()
    {
        await using var host = await ServerHost.StartAsync();
        var release = new TaskCompletionSource();
        host.Script.Unary = async (request, context) =>
        {
            await context.WriteResponseHeadersAsync(new Metadata { { "early", "yes" }, { "raw-bin", [0xFF, 0x00] } });
            await release.Task;
            return Script.Echo(request);
        };

        var reply = await host.Client.OpenAsync(WireClient.Request(WireClient.Unary, new ByteArrayContent(WireClient.Frame(new TestRequest()))));

        reply.Header("early").ShouldBe("yes");
        reply.Header("raw-bin")!.TrimEnd('=').ShouldBe("/wA");
        release.SetResult();
        await reply.ReadToEndAsync();
        reply.Status.ShouldBe(0);
    }

    [Fact]
    public async Task Unary_WritesHeadersTwice_Fails()
    {
        await using var host = await ServerHost.StartAsync();
        Exception? thrown = null;
        host.Script.Unary = async (request, context) =>
        {
            await context.WriteResponseHeadersAsync([]);
            thrown = await Record.ExceptionAsync(() => context.WriteResponseHeadersAsync([]));
            return Script.Echo(request);
        };

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest())).Status.ShouldBe(0);

        thrown.ShouldBeOfType<InvalidOperationException>().Message.ShouldBe("Response headers can only be sent once per call.");
    }

    [Fact]
    public async Task Context_OfACall_ShowsTheRequest()
    {
        await using var host = await ServerHost.StartAsync();
        var seen = new TaskCompletionSource<(string Method, string Host, string Peer, DateTime Deadline, Metadata Headers, bool Authenticated)>();
        host.Script.Unary = (request, context) =>
        {
            context.UserState["mine"] = 42;
            context.UserState["mine"].ShouldBe(42);
            context.GetHttpContext().Request.Protocol.ShouldBe("HTTP/2");
            seen.SetResult((context.Method, context.Host, context.Peer, context.Deadline, context.RequestHeaders, context.AuthContext.IsPeerAuthenticated));
            return Task.FromResult(Script.Echo(request));
        };

        await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("x-ascii", "value"), ("x-raw-bin", "AQI"), ("x-padded-bin", "AQI="));

        var call = await seen.Task.DefaultTimeout();
        call.Method.ShouldBe("/mesh.testing.v1.TestService/Unary");
        call.Host.ShouldBe($"127.0.0.1:{host.Server.Port()}");
        call.Peer.ShouldStartWith("ipv4:127.0.0.1:");
        call.Deadline.ShouldBe(DateTime.MaxValue);
        call.Authenticated.ShouldBeFalse();
        call.Headers.GetValue("x-ascii").ShouldBe("value");
        call.Headers.GetValueBytes("x-raw-bin").ShouldBe([1, 2]);
        call.Headers.GetValueBytes("x-padded-bin").ShouldBe([1, 2]);
        call.Headers.ShouldNotContain(entry => entry.Key == "content-type" || entry.Key == "te" || entry.Key.StartsWith(':'));
    }
}
