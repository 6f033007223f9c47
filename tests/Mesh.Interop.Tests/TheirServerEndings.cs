using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Interop.Tests;

/// <summary>Our client against servers that are not ours: deadlines, cancellation, compression and transports.</summary>
public abstract partial class TheirServerTests
{
    [Fact]
    public async Task Deadline_Passed_FailsTheCallAndTheServerSeesIt()
    {
        var client = server.Connect();
        var (id, metadata) = Named();
        var call = client.UnaryAsync(new TestRequest { DelayMs = 60000 }, metadata, DateTime.UtcNow.AddSeconds(3));
        (await FailureAsync(call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        var outcome = await OutcomeAsync(client, id);
        outcome.Cancelled.ShouldBeTrue();
        outcome.DeadlineMs.ShouldBeInRange(1, 3100);
    }

    [Fact]
    public async Task Deadline_PassedInAStream_FailsTheReader()
    {
        var client = server.Connect();
        var (id, metadata) = Named();
        using var call = client.ServerStream(new TestRequest { Count = 1000, DelayMs = 100 }, metadata, DateTime.UtcNow.AddSeconds(3));
        var error = await FailureAsync(call.ResponseStream.ReadAllAsync().ToListAsync().AsTask());
        error.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        (await OutcomeAsync(client, id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_TokenOfAServerStream_ReachesTheServer()
    {
        var client = server.Connect();
        var (id, metadata) = Named();
        using var source = new CancellationTokenSource();
        using var call = client.ServerStream(new TestRequest { Count = 1000000, ReplyBytes = 1000 }, metadata, cancellationToken: source.Token);
        for (var i = 0; i < 3; i++)
            (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        await source.CancelAsync();
        var error = await FailureAsync(call.ResponseStream.ReadAllAsync().ToListAsync().AsTask());
        error.StatusCode.ShouldBe(StatusCode.Cancelled);
        (await OutcomeAsync(client, id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_DisposeOfADuplexCall_ReachesTheServer()
    {
        var client = server.Connect();
        var (id, metadata) = Named();
        using (var call = client.Duplex(metadata))
        {
            await call.RequestStream.WriteAsync(new TestRequest { Text = "one", Count = 1000000, ReplyBytes = 1000 }).DefaultTimeout();
            (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        }
        (await OutcomeAsync(client, id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Gzip_LargeCompressibleMessage_IsSmallOnTheWire()
    {
        using var inner = server.CreateHandler(Transport.Plain);
        using var meter = new MeteredHandler(inner);
        var client = server.Connect(handler: meter);
        var payload = ByteString.CopyFromUtf8(string.Concat(Enumerable.Repeat("compress me ", 100000)));
        // Asks the channel to compress requests; it is a header that stays here.
        var metadata = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        var reply = await client.UnaryAsync(new TestRequest { Payload = payload }, metadata).ResponseAsync.DefaultTimeout();
        reply.Payload.ShouldBe(payload);
        meter.RequestEncoding.ShouldBe("gzip");
        meter.RequestBytes.ShouldBeInRange(1, 65536);
        if (server.CompressesReplies)
        {
            meter.ResponseEncoding.ShouldBe("gzip");
            meter.ResponseBytes.ShouldBeInRange(1, 65536);
        }
    }

    [Theory]
    [InlineData(Transport.Tls)]
    [InlineData(Transport.MutualTls)]
    [InlineData(Transport.UnixSocket)]
    public async Task Transport_EachKind_CarriesCalls(Transport transport) => await EchoAsync(server.Connect(transport));

    [Fact]
    public async Task Tls_AuthorityThatIsNotTrusted_IsAnInternalError()
    {
        var client = server.Connect(Transport.Tls, handler: new SocketsHttpHandler());
        var error = await FailureAsync(client.UnaryAsync(new TestRequest()).ResponseAsync);
        error.StatusCode.ShouldBe(StatusCode.Internal);
        error.Status.Detail.ShouldContain("SSL");
    }

    [Fact]
    public async Task MutualTls_WithoutClientCertificate_Fails()
    {
        var client = server.Connect(Transport.MutualTls, handler: server.CreateHandler(Transport.Tls));
        var error = await FailureAsync(client.UnaryAsync(new TestRequest()).ResponseAsync);
        // Under TLS 1.3 the refusal may come before or after the request was sent.
        error.StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal);
    }

    [Fact]
    public async Task Concurrent_ThreeHundredCalls_GetTheirOwnReplies()
    {
        var client = server.Connect();
        var replies = await Task.WhenAll(Enumerable.Range(0, 300).Select(i =>
            client.UnaryAsync(new TestRequest { Text = $"{i}", Payload = ByteString.CopyFrom(new byte[i * 37]) }).ResponseAsync)).DefaultTimeout();
        replies.Select(reply => reply.Text).ShouldBe(Enumerable.Range(0, 300).Select(i => $"{i}"));
        replies.Select(reply => reply.Payload.Length).ShouldBe(Enumerable.Range(0, 300).Select(i => i * 37));
    }

    private static (string Id, Metadata Metadata) Named()
    {
        var id = Guid.NewGuid().ToString();
        return (id, new Metadata { { "x-call-id", id } });
    }

    private static Task<OutcomeReply> OutcomeAsync(TestService.TestServiceClient client, string id) =>
        client.OutcomeAsync(new OutcomeRequest { CallId = id }).ResponseAsync.DefaultTimeout();
}
