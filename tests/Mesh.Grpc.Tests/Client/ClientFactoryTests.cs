using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.ClientFactory;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Client;

public sealed class ClientFactoryTests
{
    [Fact]
    public async Task AddGrpcClient_Resolved_CallsItsAddress()
    {
        await using var server = await StartAsync("");
        await using var services = new ServiceCollection().AddGrpcClient<TestService.TestServiceClient>(o => o.Address = server.Server.Address()).Services.BuildServiceProvider();

        (await CallAsync(services.GetRequiredService<TestService.TestServiceClient>())).ShouldBe("hi");
    }

    [Fact]
    public async Task AddGrpcClient_TwoNames_EachHasItsOwnAddressAndOptions()
    {
        await using var a = await StartAsync("x-a");
        await using var b = await StartAsync("x-a");
        var collection = new ServiceCollection();
        collection.AddGrpcClient<TestService.TestServiceClient>("a", o => o.Address = a.Server.Address()).AddInterceptor(() => new Adding("x-a", "A"));
        collection.AddGrpcClient<TestService.TestServiceClient>("b", o => o.Address = b.Server.Address()).AddInterceptor(() => new Adding("x-a", "B"));
        await using var services = collection.BuildServiceProvider();
        var factory = services.GetRequiredService<GrpcClientFactory>();

        (await CallAsync(factory.CreateClient<TestService.TestServiceClient>("a"))).ShouldBe("A");
        (await CallAsync(factory.CreateClient<TestService.TestServiceClient>("b"))).ShouldBe("B");
        Should.Throw<InvalidOperationException>(() => factory.CreateClient<TestService.TestServiceClient>("c"));
    }

    [Fact]
    public async Task AddInterceptor_ByScope_IsMadeOnceAChannelOrOnceAClient()
    {
        await using var server = await StartAsync("x-a");
        var (channels, clients) = (0, 0);
        var collection = new ServiceCollection();
        collection.AddGrpcClient<TestService.TestServiceClient>(o => o.Address = server.Server.Address())
            .AddInterceptor(() => new Adding("x-a", $"{++channels}"))
            .AddInterceptor(InterceptorScope.Client, () => new Adding("x-b", $"{++clients}"));
        await using var services = collection.BuildServiceProvider();

        await CallAsync(services.GetRequiredService<TestService.TestServiceClient>());
        await CallAsync(services.GetRequiredService<TestService.TestServiceClient>());

        channels.ShouldBe(1);
        clients.ShouldBe(2);
    }

    [Fact]
    public async Task AddCallCredentials_WithServices_AreSent()
    {
        await using var server = await StartAsync("authorization");
        var collection = new ServiceCollection().AddSingleton("token");
        collection.AddGrpcClient<TestService.TestServiceClient>(o => o.Address = server.Server.Address())
            .ConfigureChannel(options => options.UnsafeUseInsecureChannelCallCredentials = true)
            .AddCallCredentials((_, metadata, provider) =>
            {
                metadata.Add("authorization", "Bearer " + provider.GetRequiredService<string>());
                return Task.CompletedTask;
            });
        await using var services = collection.BuildServiceProvider();

        (await CallAsync(services.GetRequiredService<TestService.TestServiceClient>())).ShouldBe("Bearer token");
    }

    [Fact]
    public async Task HttpMessageHandler_Added_SeesTheRequests()
    {
        await using var server = await StartAsync("x-a");
        var collection = new ServiceCollection().AddTransient<HeaderHandler>();
        collection.AddGrpcClient<TestService.TestServiceClient>(o => o.Address = server.Server.Address()).AddHttpMessageHandler<HeaderHandler>();
        await using var services = collection.BuildServiceProvider();

        (await CallAsync(services.GetRequiredService<TestService.TestServiceClient>())).ShouldBe("handler");
    }

    [Fact]
    public async Task ConfigureGrpcClientCreator_Given_MakesTheClient()
    {
        await using var server = await StartAsync("");
        var made = 0;
        var collection = new ServiceCollection();
        collection.AddGrpcClient<TestService.TestServiceClient>(o => o.Address = server.Server.Address()).ConfigureGrpcClientCreator(invoker =>
        {
            made++;
            return new TestService.TestServiceClient(invoker);
        });
        await using var services = collection.BuildServiceProvider();

        (await CallAsync(services.GetRequiredService<TestService.TestServiceClient>())).ShouldBe("hi");
        made.ShouldBe(1);
    }

    [Fact]
    public void AddGrpcClient_NoAddress_SaysSo()
    {
        using var services = new ServiceCollection().AddGrpcClient<TestService.TestServiceClient>().Services.BuildServiceProvider();

        Should.Throw<InvalidOperationException>(() => services.GetRequiredService<TestService.TestServiceClient>()).Message.ShouldContain("ddress");
    }

    [Fact]
    public void AddInterceptor_OnAnotherHttpClient_IsRefused() =>
        Should.Throw<InvalidOperationException>(() => new ServiceCollection().AddHttpClient("plain").AddInterceptor(() => new Adding("a", "b")));

    /// <summary>Answers with the value of a header, or with "hi".</summary>
    private static Task<RawServer> StartAsync(string header) => RawServer.StartAsync(async context =>
    {
        context.Response.BeginGrpc();
        var text = header.Length == 0 ? "hi" : context.Request.Headers[header].ToString();
        await context.Response.Body.WriteAsync(Wire.Frame(new TestReply { Text = text }.ToByteArray()));
        context.Response.EndWith(StatusCode.OK);
    });

    private static async Task<string> CallAsync(TestService.TestServiceClient client) => (await client.UnaryAsync(new TestRequest()).ResponseAsync.DefaultTimeout()).Text;

    private sealed class Adding(string key, string value) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            var headers = context.Options.Headers ?? [];
            headers.Add(key, value);
            return continuation(request, new ClientInterceptorContext<TRequest, TResponse>(context.Method, context.Host, context.Options.WithHeaders(headers)));
        }
    }

    private sealed class HeaderHandler : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation("x-a", "handler");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
