using System.Collections.Concurrent;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Interceptors, services and endpoints: what surrounds a call.</summary>
public sealed class PipelineTests
{
    [Fact]
    public async Task Interceptors_OfAllShapes_RunOutsideInGlobalOnesFirst()
    {
        var trace = new ConcurrentQueue<string>();
        await using var host = await ServerHost.StartAsync(
            options =>
            {
                options.Interceptors.Add<TracingInterceptor>("global one");
                options.Interceptors.Add<TracingInterceptor>("global two");
            },
            services => services.AddSingleton(trace).AddGrpc().AddServiceOptions<ScriptedService>(options => options.Interceptors.Add<TracingInterceptor>("service")));

        foreach (var path in new[] { WireClient.Unary, WireClient.ServerStream, WireClient.ClientStream, WireClient.Duplex })
        {
            trace.Clear();
            (await host.Client.CallAsync(path, new TestRequest { Count = 1 })).Status.ShouldBe(0);
            await host.Counter.Idle.DefaultTimeout();

            string.Join(", ", trace).ShouldBe(
                "in global one, in global two, in service, "
                + "out service, disposed service, out global two, disposed global two, out global one, disposed global one",
                path);
        }
    }

    [Fact]
    public async Task Interceptor_Refuses_HandlerIsNotReached()
    {
        await using var host = await ServerHost.StartAsync(options => options.Interceptors.Add<RefusingInterceptor>());
        var reached = false;
        host.Script.Unary = (request, _) =>
        {
            reached = true;
            return Task.FromResult(Script.Echo(request));
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        reply.Status.ShouldBe((int)StatusCode.PermissionDenied);
        reached.ShouldBeFalse();
    }

    [Fact]
    public async Task Interceptor_RegisteredSingleton_IsTheContainers()
    {
        var mine = new RefusingInterceptor();
        await using var host = await ServerHost.StartAsync(
            options => options.Interceptors.Add<RefusingInterceptor>(), services => services.AddSingleton(mine));

        await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        mine.Calls.ShouldBe(1);
    }

    [Fact]
    public void Interceptor_OfAnotherType_IsRefused()
    {
        var options = new GrpcServiceOptions();

        Should.Throw<ArgumentException>(() => options.Interceptors.Add(typeof(string)));
    }

    [Fact]
    public async Task Service_NotRegistered_IsMadeAndDisposedForEachCall()
    {
        var log = new ConcurrentQueue<string>();
        await using var host = await ServerHost.StartAsync<DisposableService>(services: services => services.AddSingleton(log));

        (await host.Client.CallAsync("/mesh.testing.v1.TestService/Unary", new TestRequest { Text = "1" })).Reply().Text.ShouldBe("disposable");
        (await host.Client.CallAsync("/mesh.testing.v1.TestService/Unary", new TestRequest { Text = "2" })).Status.ShouldBe(0);
        await host.Counter.Idle.DefaultTimeout();

        log.ShouldBe(["made", "disposed", "made", "disposed"]);
    }

    [Fact]
    public async Task Service_RegisteredSingleton_ServesAllCallsAndIsNotDisposed()
    {
        var log = new ConcurrentQueue<string>();
        await using var host = await ServerHost.StartAsync<DisposableService>(
            services: services => services.AddSingleton(log).AddSingleton<DisposableService>());

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest())).Status.ShouldBe(0);
        (await host.Client.CallAsync(WireClient.Unary, new TestRequest())).Status.ShouldBe(0);
        await host.Counter.Idle.DefaultTimeout();

        log.ShouldBe(["made"]);
    }

    [Fact]
    public async Task Service_CannotBeMade_AnswersUnknown()
    {
        await using var host = await ServerHost.StartAsync<DisposableService>();
        host.ExpectHandlerErrors();

        (await host.Client.CallAsync(WireClient.Unary, new TestRequest())).Status.ShouldBe((int)StatusCode.Unknown);
    }

    [Fact]
    public async Task Endpoint_OfAMethod_CarriesItsMetadata()
    {
        await using var host = await ServerHost.StartAsync();
        Endpoint? endpoint = null;
        IServerCallContextFeature? feature = null;
        ServerCallContext? call = null;
        host.Script.Unary = (request, context) =>
        {
            endpoint = context.GetHttpContext().GetEndpoint();
            feature = context.GetHttpContext().Features.Get<IServerCallContextFeature>();
            call = context;
            return Task.FromResult(Script.Echo(request));
        };

        await host.Client.CallAsync(WireClient.Unary, new TestRequest());

        var metadata = endpoint.ShouldNotBeNull().Metadata.GetMetadata<GrpcMethodMetadata>().ShouldNotBeNull();
        metadata.ServiceType.ShouldBe(typeof(ScriptedService));
        metadata.Method.FullName.ShouldBe(WireClient.Unary);
        metadata.Method.Type.ShouldBe(MethodType.Unary);
        endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.ShouldBe(["POST"]);
        feature.ShouldNotBeNull().ServerCallContext.ShouldBeSameAs(call);
    }

    [Fact]
    public async Task Attributes_OfServiceAndMethod_BecomeEndpointMetadata()
    {
        await using var host = await ServerHost.StartAsync(map: app => app.MapGrpcService<GuardedService>().WithMetadata("by convention"));

        var unary = Find(host, "Unary");
        var duplex = Find(host, "Duplex");

        unary.Metadata.GetMetadata<string>().ShouldBe("by convention");
        unary.Metadata.OfType<IAuthorizeData>().Select(data => data.Policy).ShouldBe(["of the service", "of the method"]);
        duplex.Metadata.OfType<IAuthorizeData>().Select(data => data.Policy).ShouldBe(["of the service"]);
    }

    [Fact]
    public async Task Definition_Mapped_IsServed()
    {
        var script = new Script { ServerStream = (_, replies, _) => replies.WriteAsync(new TestReply { Text = "by definition" }) };
        await using var server = await TestServer.StartAsync(
            builder => builder.Services.AddGrpc(),
            app => app.MapGrpcService(_ => TestService.BindService(new ScriptedService(script))),
            Transport.Plain);
        using var client = new WireClient(server.CreateHandler(), server.Address());

        await client.ExpectServingAsync();
        (await client.CallAsync(WireClient.ServerStream, new TestRequest())).Reply().Text.ShouldBe("by definition");
        (await client.CallAsync(WireClient.Duplex, new TestRequest { Text = "d" })).Reply().Text.ShouldBe("d");
        (await client.CallAsync(WireClient.ClientStream, new TestRequest { Text = "c" })).Reply().Text.ShouldBe("c");
        (await client.CallAsync(WireClient.Service + "Missing", new TestRequest())).Status.ShouldBe((int)StatusCode.Unimplemented);
    }

    [Fact]
    public async Task MapGrpcService_WithoutAddGrpc_SaysSo()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();

        Should.Throw<InvalidOperationException>(() => app.MapGrpcService<ScriptedService>()).Message.ShouldContain("AddGrpc");
    }

    [Fact]
    public async Task AuthContext_OfMutualTls_NamesTheClient()
    {
        var seen = new TaskCompletionSource<AuthContext>();
        var script = new Script
        {
            Unary = (request, context) =>
            {
                seen.SetResult(context.AuthContext);
                return Task.FromResult(Script.Echo(request));
            },
        };
        await using var server = await TestServer.StartAsync(
            builder => builder.Services.AddSingleton(script).AddGrpc(), app => app.MapGrpcService<ScriptedService>(), Transport.MutualTls);
        using var client = new WireClient(server.CreateHandler(Transport.MutualTls), server.Address(Transport.MutualTls));

        (await client.CallAsync(WireClient.Unary, new TestRequest())).Status.ShouldBe(0);

        var auth = await seen.Task.DefaultTimeout();
        auth.IsPeerAuthenticated.ShouldBeTrue();
        auth.PeerIdentity.ShouldNotBeEmpty();
        auth.FindPropertiesByName("x509_common_name").Single().Value.ShouldNotBeNullOrEmpty();
    }

    private static RouteEndpoint Find(ServerHost host, string method)
        => host.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().First(
            endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is { } metadata
                && metadata.ServiceType == typeof(GuardedService) && metadata.Method.Name == method);

    private sealed class TracingInterceptor(ConcurrentQueue<string> trace, string name) : Interceptor, IDisposable
    {
        public void Dispose() => trace.Enqueue($"disposed {name}");

        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
            => TraceAsync(() => continuation(request, context));

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
            => TraceAsync(() => continuation(requestStream, context));

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
            => TraceAsync(() => Unit(continuation(request, responseStream, context)));

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
            => TraceAsync(() => Unit(continuation(requestStream, responseStream, context)));

        private static async Task<bool> Unit(Task task)
        {
            await task;
            return true;
        }

        private async Task<T> TraceAsync<T>(Func<Task<T>> call)
        {
            trace.Enqueue($"in {name}");
            var result = await call();
            trace.Enqueue($"out {name}");
            return result;
        }
    }

    private sealed class RefusingInterceptor : Interceptor
    {
        internal int Calls { get; private set; }

        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            Calls++;
            throw new RpcException(new Status(StatusCode.PermissionDenied, "no"));
        }
    }

    [Authorize("of the service")]
    private sealed class GuardedService : TestService.TestServiceBase
    {
        [Authorize("of the method")]
        public override Task<TestReply> Unary(TestRequest request, ServerCallContext context) => Task.FromResult(new TestReply());
    }

    private sealed class DisposableService : TestService.TestServiceBase, IAsyncDisposable
    {
        private readonly ConcurrentQueue<string> _log;

        public DisposableService(ConcurrentQueue<string> log)
        {
            _log = log;
            log.Enqueue("made");
        }

        public override Task<TestReply> Unary(TestRequest request, ServerCallContext context) => Task.FromResult(new TestReply { Text = "disposable" });

        public ValueTask DisposeAsync()
        {
            _log.Enqueue("disposed");
            return ValueTask.CompletedTask;
        }
    }
}
