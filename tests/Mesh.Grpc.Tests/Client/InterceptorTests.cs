using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Grpc.Tests.Client;

public sealed class InterceptorTests
{
    [Fact]
    public async Task Intercept_Several_FirstGivenSeesTheCallFirst()
    {
        await using var server = await RawServer.StartAsync(async context => await context.Response.AnswerAsync((await context.Request.ReadAsync())!));
        using var channel = server.CreateChannel();
        var invoker = channel.Intercept(new Marking("a"), new Marking("b")).Intercept(new Marking("c"));

        var reply = await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "x").ResponseAsync.DefaultTimeout();

        reply.ShouldBe("xcab");
    }

    [Fact]
    public async Task Intercept_AllShapes_AreSeen()
    {
        await using var server = await RawServer.StartAsync(async context =>
        {
            while (await context.Request.ReadAsync() is not null)
            {
            }
            await context.Response.AnswerAsync(context.Request.Headers["x-shape"].ToString());
        });
        using var channel = server.CreateChannel();
        var invoker = channel.Intercept(new Marking(""));

        var client = invoker.AsyncClientStreamingCall(RawServer.ClientStream, null, new CallOptions());
        await client.RequestStream.CompleteAsync().DefaultTimeout();
        var duplex = invoker.AsyncDuplexStreamingCall(RawServer.Duplex, null, new CallOptions());
        await duplex.RequestStream.CompleteAsync().DefaultTimeout();
        var streamed = invoker.AsyncServerStreamingCall(RawServer.ServerStream, null, new CallOptions(), "");
        (await duplex.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
        (await streamed.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();

        (await client.ResponseAsync.DefaultTimeout()).ShouldBe("client");
        duplex.ResponseStream.Current.ShouldBe("duplex");
        streamed.ResponseStream.Current.ShouldBe("server");
    }

    [Fact]
    public async Task Intercept_MetadataFunction_AddsHeadersAndKeepsTheCallersOwn()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync($"{context.Request.Headers["x-a"]}{context.Request.Headers["x-b"]}"));
        using var channel = server.CreateChannel();
        var own = new Metadata { { "x-a", "1" } };

        var invoker = channel.Intercept(metadata =>
        {
            metadata.Add("x-b", "2");
            return metadata;
        });

        (await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(own), "").ResponseAsync.DefaultTimeout()).ShouldBe("12");
        own.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Intercept_AnswersItself_NoCallIsMade()
    {
        using var channel = GrpcChannel.ForAddress("http://127.0.0.1:1");
        var invoker = channel.Intercept(new Answering());

        using var call = invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "");

        (await call).ShouldBe("from the interceptor");
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task CallCredentials_OnInsecureChannel_AreSentOnlyWhenAllowed()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(context.Request.Headers.Authorization.ToString()));
        using var careful = server.CreateChannel();
        using var careless = server.CreateChannel(options => options.UnsafeUseInsecureChannelCallCredentials = true);
        var options = new CallOptions(credentials: Bearer("t"));

        (await careful.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "").ResponseAsync.DefaultTimeout()).ShouldBe("");
        (await careless.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, options, "").ResponseAsync.DefaultTimeout()).ShouldBe("Bearer t");
    }

    [Fact]
    public async Task CallCredentials_OfChannelAndCall_BothApplyOverTls()
    {
        await using var server = await TestServer.StartAsync(
            _ => { }, app => app.Run(context => context.Response.AnswerAsync($"{context.Request.Headers["x-first"]} {context.Request.Headers.Authorization}")), Transport.Tls);
        var first = CallCredentials.FromInterceptor((context, metadata) =>
        {
            metadata.Add("x-first", $"{context.MethodName} {new Uri(context.ServiceUrl).AbsolutePath}");
            return Task.CompletedTask;
        });
        using var channel = GrpcChannel.ForAddress(server.Address(Transport.Tls), new GrpcChannelOptions
        {
            HttpHandler = server.CreateHandler(Transport.Tls),
            DisposeHttpClient = true,
            Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, first),
        });

        var reply = await channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(credentials: Bearer("t")), "").ResponseAsync.DefaultTimeout();

        reply.ShouldBe("Unary /mesh.testing.v1.Raw Bearer t");
    }

    [Fact]
    public async Task CallCredentials_TheyThrow_CallFails()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(""));
        using var channel = server.CreateChannel(options => options.UnsafeUseInsecureChannelCallCredentials = true);
        var credentials = CallCredentials.FromInterceptor((_, _) => Task.FromException(new RpcException(new Status(StatusCode.Unauthenticated, "no token"))));

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(credentials: credentials), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Unauthenticated);
    }

    private static CallCredentials Bearer(string token) => CallCredentials.FromInterceptor((_, metadata) =>
    {
        metadata.Add("Authorization", "Bearer " + token);
        return Task.CompletedTask;
    });

    private sealed class Marking(string mark) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            continuation((TRequest)(object)((string)(object)request + mark), context);

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, Shape(context, "server"));

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation) =>
            continuation(Shape(context, "client"));

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation) =>
            continuation(Shape(context, "duplex"));

        private static ClientInterceptorContext<TRequest, TResponse> Shape<TRequest, TResponse>(ClientInterceptorContext<TRequest, TResponse> context, string shape)
            where TRequest : class
            where TResponse : class =>
            new(context.Method, context.Host, context.Options.WithHeaders(new Metadata { { "x-shape", shape } }));
    }

    private sealed class Answering : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            new(Task.FromResult((TResponse)(object)"from the interceptor"), Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });
    }
}
