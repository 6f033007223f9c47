using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>Calls that end before their time: deadlines and cancellation, as each side sees them.</summary>
public sealed class EndingTests
{
    private static readonly TestRequest Slow = new() { DelayMs = 60000, EchoHeaders = { "x-call-id" } };

    [Fact]
    public async Task Deadline_PassedWhileTheServerWorks_EndsBothSides()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using var call = client.UnaryAsync(Slow, metadata, DateTime.UtcNow.AddSeconds(3));
        await call.ResponseHeadersAsync.DefaultTimeout();
        await call.ResponseAsync.ShouldFailAsync(StatusCode.DeadlineExceeded);
        var outcome = await client.OutcomeOfAsync(id);
        outcome.Cancelled.ShouldBeTrue();
        outcome.DeadlineMs.ShouldBeInRange(1, 3000);
    }

    [Fact]
    public async Task Deadline_PassedBeforeTheCall_FailsAtOnce()
    {
        await using var host = await TestHost.StartAsync();
        var call = host.Connect().UnaryAsync(new TestRequest(), deadline: DateTime.UtcNow.AddSeconds(-1));
        await call.ResponseAsync.ShouldFailAsync(StatusCode.DeadlineExceeded);
    }

    [Fact]
    public async Task Deadline_FarAway_LeavesTheCallAlone()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        await client.UnaryAsync(new TestRequest { Text = "in time" }, metadata, DateTime.UtcNow.AddHours(1)).ResponseAsync.DefaultTimeout();
        var outcome = await client.OutcomeOfAsync(id);
        outcome.Cancelled.ShouldBeFalse();
        outcome.DeadlineMs.ShouldBeInRange(3_590_000, 3_600_000);
    }

    [Fact]
    public async Task Deadline_PassedInAStream_KeepsWhatCameBefore()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using var call = client.Duplex(metadata, DateTime.UtcNow.AddSeconds(3));
        await call.RequestStream.WriteAsync(new TestRequest { Text = "first" }).DefaultTimeout();
        (await call.ResponseStream.NextAsync()).Text.ShouldBe("first");
        await call.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.DeadlineExceeded);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Deadline_OnlyTheServerKeepsIt_EndsTheCall()
    {
        await using var host = await TestHost.StartAsync();
        using var http = new HttpClient(host.Server.CreateHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.Server.Address(), "/mesh.testing.v1.TestService/Unary"));
        request.Version = new Version(2, 0);
        request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        request.Headers.Add("grpc-timeout", "200m");
        request.Headers.Add("te", "trailers");
        // A message of four bytes: field 4 (delay_ms) = 60000.
        request.Content = new ByteArrayContent([0, 0, 0, 0, 4, 0x20, 0xE0, 0xD4, 0x03]);
        request.Content.Headers.ContentType = new("application/grpc");
        using var response = await http.SendAsync(request).DefaultTimeout();
        var status = response.Headers.TryGetValues("grpc-status", out var inHeaders) ? inHeaders : response.TrailingHeaders.GetValues("grpc-status");
        status.ShouldBe(["4"]);
    }

    [Fact]
    public async Task Cancel_TokenOfAUnaryCall_EndsBothSides()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using var source = new CancellationTokenSource();
        using var call = client.UnaryAsync(Slow, metadata, cancellationToken: source.Token);
        await call.ResponseHeadersAsync.DefaultTimeout();
        await source.CancelAsync();
        await call.ResponseAsync.ShouldFailAsync(StatusCode.Cancelled);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_DisposeOfAServerStream_ReachesTheServer()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using (var call = client.ServerStream(new TestRequest { Count = int.MaxValue, ReplyBytes = 1000 }, metadata))
            await call.ResponseStream.NextAsync();
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_OfAClientStream_ReachesAServerThatReads()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using var source = new CancellationTokenSource();
        using var call = client.ClientStream(metadata, cancellationToken: source.Token);
        await call.RequestStream.WriteAsync(new TestRequest { Text = "one" }).DefaultTimeout();
        await source.CancelAsync();
        await call.ResponseAsync.ShouldFailAsync(StatusCode.Cancelled);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_OfTheTokenOfOneRead_CancelsTheCall()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        using var call = client.Duplex(metadata);
        await call.RequestStream.WriteAsync(new TestRequest()).DefaultTimeout();
        await call.ResponseStream.NextAsync();
        using var source = new CancellationTokenSource();
        var read = call.ResponseStream.MoveNext(source.Token);
        await source.CancelAsync();
        await read.ShouldFailAsync(StatusCode.Cancelled);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }

    [Fact]
    public async Task Cancel_WithThrowOperationCanceled_ThrowsThatInstead()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect(configure: options => options.ThrowOperationCanceledOnCancellation = true);
        using var source = new CancellationTokenSource();
        using var call = client.UnaryAsync(Slow, cancellationToken: source.Token);
        await call.ResponseHeadersAsync.DefaultTimeout();
        await source.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => call.ResponseAsync.DefaultTimeout());
    }

    [Fact]
    public async Task ServerEnds_WhileTheClientStillWrites_GivesTheStatusToTheReader()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().ClientStream();
        await call.RequestStream.WriteAsync(new TestRequest { Status = (int)StatusCode.FailedPrecondition, Detail = "enough" }).DefaultTimeout();
        var error = await call.ResponseAsync.ShouldFailAsync(StatusCode.FailedPrecondition);
        error.Status.Detail.ShouldBe("enough");
    }

    [Fact]
    public async Task ChannelDisposed_WithACallOpen_EndsTheCall()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        var (id, metadata) = Calls.Named();
        var channel = host.OpenChannel();
        using var call = new TestService.TestServiceClient(channel).Duplex(metadata);
        await call.RequestStream.WriteAsync(new TestRequest()).DefaultTimeout();
        await call.ResponseStream.NextAsync();
        channel.Dispose();
        await call.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.Cancelled);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
    }
}
