using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Testing;
using Mesh.Testing.V1;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>Connections that break, servers that go, handlers that fail.</summary>
public sealed class ConnectionTests
{
    [Fact]
    public async Task ConnectionDropped_MidStream_EndsBothSidesAndTheNextCallReconnects()
    {
        await using var host = await TestHost.StartAsync();
        await using var relay = new TcpRelay(host.Server.Port());
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{relay.Port}");
        var client = new TestService.TestServiceClient(channel);
        var (id, metadata) = Calls.Named();
        using var call = client.Duplex(metadata);
        await call.RequestStream.WriteAsync(new TestRequest { Text = "one" }).DefaultTimeout();
        (await call.ResponseStream.NextAsync()).Text.ShouldBe("one");
        relay.Drop();
        await call.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.Unavailable);
        (await client.OutcomeOfAsync(id)).Cancelled.ShouldBeTrue();
        await client.ShouldEchoAsync();
        relay.Accepted.ShouldBe(2);
    }

    [Fact]
    public async Task NobodyListens_Call_IsUnavailable()
    {
        var host = await TestHost.StartAsync();
        var address = host.Server.Address();
        await host.DisposeAsync();
        using var channel = GrpcChannel.ForAddress(address);
        var client = new TestService.TestServiceClient(channel);
        await client.UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Shutdown_WithACallOpen_LetsItEnd()
    {
        await using var host = await TestHost.StartAsync();
        using var call = host.Connect().Duplex();
        await call.RequestStream.WriteAsync(new TestRequest { Text = "before" }).DefaultTimeout();
        (await call.ResponseStream.NextAsync()).Text.ShouldBe("before");
        var stopping = host.Server.StopAsync(TimeSpan.FromSeconds(30));
        await call.RequestStream.WriteAsync(new TestRequest { Text = "after" }).DefaultTimeout();
        (await call.ResponseStream.NextAsync()).Text.ShouldBe("after");
        stopping.IsCompleted.ShouldBeFalse();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeFalse();
        await stopping.DefaultTimeout();
    }

    [Fact]
    public async Task Shutdown_WithACallThatDoesNotEnd_CutsItOff()
    {
        await using var host = await TestHost.StartAsync();
        var client = host.Connect();
        using var call = client.Duplex();
        await call.RequestStream.WriteAsync(new TestRequest()).DefaultTimeout();
        await call.ResponseStream.NextAsync();
        await host.Server.StopAsync(TimeSpan.FromMilliseconds(100));
        var error = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(default).DefaultTimeout());
        error.StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal, StatusCode.Cancelled);
    }

    [Fact]
    public async Task HandlerThrows_AnythingElse_IsUnknownWithoutItsText()
    {
        await using var host = await TestHost.StartAsync(grpc: options => options.Interceptors.Add<Broken>());
        host.Server.Logs.Expect<NotSupportedException>();
        var error = await host.Connect().UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Unknown);
        error.Status.Detail.ShouldNotContain("secret");
    }

    [Fact]
    public async Task HandlerThrows_WithDetailedErrors_TellsItsText()
    {
        await using var host = await TestHost.StartAsync(grpc: options =>
        {
            options.EnableDetailedErrors = true;
            options.Interceptors.Add<Broken>();
        });
        host.Server.Logs.Expect<NotSupportedException>();
        var error = await host.Connect().UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Unknown);
        error.Status.Detail.ShouldContain("secret");
    }

    private sealed class Broken : global::Grpc.Core.Interceptors.Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
            throw new NotSupportedException("a secret");
    }
}
