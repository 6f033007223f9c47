using Google.Protobuf;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

public sealed class SizeTests
{
    private const int Mebibyte = 1024 * 1024;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16383)]
    [InlineData(16384)]
    [InlineData(65536)]
    [InlineData(3 * Mebibyte)]
    public async Task Unary_PayloadOfEachSize_IsEchoed(int bytes)
    {
        await using var host = await TestHost.StartAsync();
        var payload = Random(bytes);
        var reply = await host.Connect().UnaryAsync(new TestRequest { Payload = payload }).ResponseAsync.DefaultTimeout();
        reply.Payload.ShouldBe(payload);
    }

    [Fact]
    public async Task Unary_SixtyFourMebibytesWithLimitsRaised_AreEchoed()
    {
        await using var host = await TestHost.StartAsync(grpc: options => options.MaxReceiveMessageSize = null);
        var client = host.Connect(configure: options => options.MaxReceiveMessageSize = null);
        var payload = Random(64 * Mebibyte);
        var reply = await client.UnaryAsync(new TestRequest { Payload = payload }).ResponseAsync.DefaultTimeout();
        reply.Payload.Span.SequenceEqual(payload.Span).ShouldBeTrue();
    }

    [Fact]
    public async Task Receive_RequestAboveTheServersLimit_IsRefusedAndTheChannelLives()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        await client.UnaryAsync(new TestRequest { Payload = Random(4 * Mebibyte) }).ResponseAsync.ShouldFailAsync(StatusCode.ResourceExhausted);
        await client.ShouldEchoAsync();
    }

    [Fact]
    public async Task Receive_ReplyAboveTheClientsLimit_IsRefusedAndTheChannelLives()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        await client.UnaryAsync(new TestRequest { ReplyBytes = 4 * Mebibyte }).ResponseAsync.ShouldFailAsync(StatusCode.ResourceExhausted);
        await client.ShouldEchoAsync();
    }

    [Fact]
    public async Task Send_RequestAboveTheClientsLimit_IsNotSent()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect(configure: options => options.MaxSendMessageSize = 1000);
        await client.UnaryAsync(new TestRequest { Payload = Random(1001) }).ResponseAsync.ShouldFailAsync(StatusCode.ResourceExhausted);
        await client.ShouldEchoAsync();
    }

    [Fact]
    public async Task Send_ReplyAboveTheServersLimit_FailsTheCall()
    {
        await using var host = await TestHost.StartAsync(grpc: options => options.MaxSendMessageSize = 1000);
        var client = host.Connect();
        await client.UnaryAsync(new TestRequest { ReplyBytes = 1001 }).ResponseAsync.ShouldFailAsync(StatusCode.ResourceExhausted);
        await client.ShouldEchoAsync();
    }

    [Theory]
    [InlineData("gzip", true)]
    [InlineData(null, false)]
    public async Task Gzip_BothWays_ShrinksWhatTravels(string? algorithm, bool small)
    {
        await using var host = await TestHost.StartAsync(grpc: options => options.ResponseCompressionAlgorithm = algorithm);
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        // Asks our client to compress requests; the header itself is not sent.
        metadata.Add("grpc-internal-encoding-request", "gzip");
        var payload = ByteString.CopyFrom(new byte[Mebibyte]);
        var reply = await client.UnaryAsync(new TestRequest { Payload = payload }, metadata).ResponseAsync.DefaultTimeout();
        reply.Payload.ShouldBe(payload);
        var outcome = await client.OutcomeOfAsync(id);
        outcome.RequestEncoding.ShouldBe("gzip");
        outcome.RequestWireBytes.ShouldBeInRange(1, 20000);
        (outcome.ResponseWireBytes < 20000).ShouldBe(small, $"{outcome.ResponseWireBytes} bytes");
    }

    [Fact]
    public async Task Gzip_MessageThatASenderExempts_TravelsAsItIs()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        metadata.Add("grpc-internal-encoding-request", "gzip");
        using (var call = client.ClientStream(metadata))
        {
            call.RequestStream.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
            await call.RequestStream.WriteAsync(new TestRequest { Payload = ByteString.CopyFrom(new byte[100000]) }).DefaultTimeout();
            call.RequestStream.WriteOptions = new WriteOptions();
            await call.RequestStream.WriteAsync(new TestRequest { Payload = ByteString.CopyFrom(new byte[100000]) }).DefaultTimeout();
            await call.RequestStream.CompleteAsync().DefaultTimeout();
            (await call.ResponseAsync.DefaultTimeout()).ReceivedBytes.ShouldBe(200000);
        }
        // One of the two was left alone, the other all but vanished.
        (await client.OutcomeOfAsync(id)).RequestWireBytes.ShouldBeInRange(100000, 105000);
    }

    private static ByteString Random(int bytes)
    {
        var payload = new byte[bytes];
        new Random(bytes).NextBytes(payload);
        return UnsafeByteOperations.UnsafeWrap(payload);
    }
}
