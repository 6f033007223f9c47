using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Functional;

public sealed class InterceptorTests
{
    [Fact]
    public async Task Interceptors_OnBothSides_RunInTheirOrder()
    {
        var log = new ConcurrentQueue<string>();
        await using var host = await TestHost.StartAsync(
            grpc: options =>
            {
                options.Interceptors.Add<ServerMark>("global one");
                options.Interceptors.Add<ServerMark>("global two");
            },
            services: services =>
            {
                services.AddSingleton(log);
                services.AddGrpc().AddServiceOptions<TestServiceImpl>(options => options.Interceptors.Add<ServerMark>("service"));
            });
        var invoker = host.OpenChannel().Intercept(new ClientMark(log, "inner")).Intercept(new ClientMark(log, "outer"));
        await new TestService.TestServiceClient(invoker).ShouldEchoAsync();
        log.ShouldBe([
            "client outer >", "client inner >", "server global one >", "server global two >", "server service >",
            "server service <", "server global two <", "server global one <", "client inner <", "client outer <",
        ]);
    }

    [Fact]
    public async Task Interceptors_GivenTogether_RunFirstToLast()
    {
        var log = new ConcurrentQueue<string>();
        await using var host = await TestHost.StartAsync();
        var invoker = host.OpenChannel().Intercept(new ClientMark(log, "first"), new ClientMark(log, "second"));
        await new TestService.TestServiceClient(invoker).ShouldEchoAsync();
        log.ShouldBe(["client first >", "client second >", "client second <", "client first <"]);
    }

    [Fact]
    public async Task ClientInterceptor_ThatAddsMetadata_ReachesTheServer()
    {
        await using var host = await TestHost.StartAsync();
        var invoker = host.OpenChannel().Intercept(metadata =>
        {
            metadata.Add("x-added", "by the interceptor");
            return metadata;
        });
        using var call = new TestService.TestServiceClient(invoker).UnaryAsync(new TestRequest { EchoTrailers = { "x-added" } });
        await call.ResponseAsync.DefaultTimeout();
        call.GetTrailers().GetValue("x-added").ShouldBe("by the interceptor");
    }

    [Fact]
    public async Task ServerInterceptor_ThatThrows_GivesItsStatusForEachShape()
    {
        await using var host = await TestHost.StartAsync(grpc: options => options.Interceptors.Add<Refuse>());
        var client = host.Connect();
        await client.UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.PermissionDenied);
        using var server = client.ServerStream(new TestRequest());
        await server.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.PermissionDenied);
        using var requests = client.ClientStream();
        await requests.ResponseAsync.ShouldFailAsync(StatusCode.PermissionDenied);
        using var duplex = client.Duplex();
        await duplex.ResponseStream.MoveNext(default).ShouldFailAsync(StatusCode.PermissionDenied);
    }

    private sealed class ClientMark(ConcurrentQueue<string> log, string name) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            log.Enqueue($"client {name} >");
            var call = continuation(request, context);
            return new AsyncUnaryCall<TResponse>(MarkAsync(call.ResponseAsync), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private async Task<T> MarkAsync<T>(Task<T> response)
        {
            var result = await response;
            log.Enqueue($"client {name} <");
            return result;
        }
    }

    private sealed class ServerMark(ConcurrentQueue<string> log, string name) : Interceptor
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            log.Enqueue($"server {name} >");
            var response = await continuation(request, context);
            log.Enqueue($"server {name} <");
            return response;
        }
    }

    private sealed class Refuse : Interceptor
    {
        private static readonly RpcException Refusal = new(new Status(StatusCode.PermissionDenied, "No."));

        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) => throw Refusal;

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation) => throw Refusal;

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, ServerCallContext context,
            ClientStreamingServerMethod<TRequest, TResponse> continuation) => throw Refusal;

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation) => throw Refusal;
    }
}
