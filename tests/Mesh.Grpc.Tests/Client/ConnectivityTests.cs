using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Grpc.Tests.Client;

public sealed class ConnectivityTests
{
    [Fact]
    public async Task State_ConnectThenServerStopsThenDispose_FollowsEach()
    {
        var server = await RawServer.StartAsync(context => context.Response.AnswerAsync("x"));
        var channel = Create(server.Port);
        channel.State.ShouldBe(ConnectivityState.Idle);

        await channel.ConnectAsync().DefaultTimeout();
        channel.State.ShouldBe(ConnectivityState.Ready);
        await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout();

        var changed = channel.WaitForStateChangedAsync(ConnectivityState.Ready);
        await server.DisposeAsync();
        await changed.DefaultTimeout();
        channel.State.ShouldNotBe(ConnectivityState.Ready);

        channel.Dispose();
        channel.State.ShouldBe(ConnectivityState.Shutdown);
    }

    [Fact]
    public async Task Connect_NobodyListens_TriesUntilCancelled()
    {
        var port = await FreePortAsync();
        using var channel = Create(port);
        using var source = new CancellationTokenSource();

        var connect = channel.ConnectAsync(source.Token);
        while (channel.State != ConnectivityState.TransientFailure) await channel.WaitForStateChangedAsync(channel.State).DefaultTimeout();
        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => connect.DefaultTimeout());
    }

    [Fact]
    public async Task WaitForReady_ServerStartsLater_CallSucceeds()
    {
        var port = await FreePortAsync();
        using var channel = Create(port);
        var invoker = channel.CreateCallInvoker();

        var call = invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions().WithWaitForReady(), "");
        while (channel.State != ConnectivityState.TransientFailure) await channel.WaitForStateChangedAsync(channel.State).DefaultTimeout();
        (await Wire.FailureAsync(invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync)).StatusCode.ShouldBe(StatusCode.Unavailable);
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync("at last"), port);

        (await call.ResponseAsync.DefaultTimeout()).ShouldBe("at last");
    }

    [Fact]
    public async Task WaitForReady_ServerNeverStarts_DeadlineCounts()
    {
        using var channel = Create(await FreePortAsync());

        var options = new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(300)).WithWaitForReady();
        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    [Fact]
    public async Task Channel_ServerRestarts_NextCallsSucceed()
    {
        var server = await RawServer.StartAsync(context => context.Response.AnswerAsync("one"));
        var port = server.Port;
        using var channel = Create(port);
        var invoker = channel.CreateCallInvoker();
        (await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout()).ShouldBe("one");

        var changed = channel.WaitForStateChangedAsync(ConnectivityState.Ready);
        await server.DisposeAsync();
        await changed.DefaultTimeout();
        await using var again = await RawServer.StartAsync(context => context.Response.AnswerAsync("two"), port);

        (await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions().WithWaitForReady(), "").ResponseAsync.DefaultTimeout()).ShouldBe("two");
    }

    [Fact]
    public async Task Channel_HandlerWithItsOwnConnections_CallsButHasNoState()
    {
        await using var server = await TestServer.StartAsync(_ => { }, app => app.Run(context => context.Response.AnswerAsync("unix")), Transport.UnixSocket);
        using var channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = server.CreateHandler(Transport.UnixSocket), DisposeHttpClient = true });

        (await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout()).ShouldBe("unix");
        Should.Throw<InvalidOperationException>(() => channel.State);
        await Should.ThrowAsync<InvalidOperationException>(() => channel.ConnectAsync());
    }

    [Theory]
    [InlineData(Transport.Tls)]
    [InlineData(Transport.MutualTls)]
    public async Task Channel_OverTls_CallsAndHasState(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            _ => { }, app => app.Run(context => context.Response.AnswerAsync(context.Connection.ClientCertificate?.Subject ?? context.Request.Scheme)), transport);
        using var channel = GrpcChannel.ForAddress(server.Address(transport), new GrpcChannelOptions { HttpHandler = server.CreateHandler(transport), DisposeHttpClient = true });

        await channel.ConnectAsync().DefaultTimeout();
        var reply = await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout();

        reply.ShouldBe(transport == Transport.Tls ? "https" : "CN=mesh-test-client");
        channel.State.ShouldBe(ConnectivityState.Ready);
    }

    [Fact]
    public void Channel_ClientAndHandlerGiven_IsRefused()
    {
        using var client = new HttpClient();
        using var handler = new SocketsHttpHandler();

        Should.Throw<ArgumentException>(() => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpClient = client, HttpHandler = handler }));
    }

    [Theory]
    [InlineData("https://localhost", false)]
    [InlineData("http://localhost", true)]
    public void Channel_CredentialsAgainstTheScheme_AreRefused(string address, bool secure) =>
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress(
            address, new GrpcChannelOptions { Credentials = secure ? ChannelCredentials.SecureSsl : ChannelCredentials.Insecure }));

    private static async Task<int> FreePortAsync()
    {
        await using var server = await RawServer.StartAsync(_ => Task.CompletedTask);
        return server.Port;
    }

    private static GrpcChannel Create(int port) => GrpcChannel.ForAddress(
        $"http://127.0.0.1:{port}",
        new GrpcChannelOptions { InitialReconnectBackoff = TimeSpan.FromMilliseconds(20), MaxReconnectBackoff = TimeSpan.FromMilliseconds(200) });
}
