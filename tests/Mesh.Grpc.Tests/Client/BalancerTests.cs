using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Grpc.Tests.Client;

public sealed class BalancerTests
{
    [Fact]
    public async Task RoundRobin_TwoServers_ShareTheCalls()
    {
        await using var a = await NamedAsync("a");
        await using var b = await NamedAsync("b");
        using var channel = Create([a.Port, b.Port], new RoundRobinConfig());
        var invoker = channel.CreateCallInvoker();
        await CallUntilAsync(invoker, seen => seen.Contains("a") && seen.Contains("b"));

        var answers = new ConcurrentDictionary<string, int>();
        for (var i = 0; i < 20; i++) answers.AddOrUpdate(await CallAsync(invoker), 1, (_, count) => count + 1);

        answers["a"].ShouldBe(10);
        answers["b"].ShouldBe(10);
    }

    [Fact]
    public async Task RoundRobin_ServerDiesAndComesBack_IsLeftOutThenUsedAgain()
    {
        await using var a = await NamedAsync("a");
        var b = await NamedAsync("b");
        var port = b.Port;
        using var channel = Create([a.Port, port], new RoundRobinConfig());
        var invoker = channel.CreateCallInvoker();
        await CallUntilAsync(invoker, seen => seen.Contains("a") && seen.Contains("b"));

        await b.DisposeAsync();
        await CallUntilAsync(invoker, seen => seen.Count >= 10 && seen.TakeLast(10).All(name => name == "a"));

        await using var again = await NamedAsync("b", port);
        await CallUntilAsync(invoker, seen => seen.Contains("b"));
    }

    [Fact]
    public async Task PickFirst_FirstAddressIsDead_UsesTheSecond()
    {
        var dead = await FreePortAsync();
        await using var b = await NamedAsync("b");
        using var channel = Create([dead, b.Port], new PickFirstConfig());
        var invoker = channel.CreateCallInvoker();

        for (var i = 0; i < 5; i++) (await CallAsync(invoker)).ShouldBe("b");
    }

    [Fact]
    public async Task Balancer_AllServersDead_FailsAsUnavailable()
    {
        using var channel = Create([await FreePortAsync(), await FreePortAsync()], new RoundRobinConfig());

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Resolver_AddressesChange_CallsFollow()
    {
        await using var a = await NamedAsync("a");
        await using var b = await NamedAsync("b");
        var resolver = new HandResolver();
        resolver.Found([a.Port]);
        using var channel = GrpcChannel.ForAddress("hand:///name", Options(new RoundRobinConfig(), new HandResolverFactory(resolver)));
        var invoker = channel.CreateCallInvoker();
        (await CallAsync(invoker)).ShouldBe("a");

        resolver.Found([b.Port]);
        resolver.Refresh();

        await CallUntilAsync(invoker, seen => seen.Contains("b"));
        for (var i = 0; i < 5; i++) (await CallAsync(invoker)).ShouldBe("b");
    }

    [Fact]
    public async Task Resolver_FindsNothing_FailsWithItsStatus()
    {
        var resolver = new HandResolver();
        resolver.Failed(new Status(StatusCode.Unavailable, "no such name"));
        using var channel = GrpcChannel.ForAddress("hand:///name", Options(new PickFirstConfig(), new HandResolverFactory(resolver)));

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.Unavailable);
        failure.Status.Detail.ShouldContain("no such name");
    }

    [Fact]
    public async Task Dns_LocalhostWithPort_ReachesTheServerUnderItsName()
    {
        await using var server = await RawServer.StartAsync(context => context.Response.AnswerAsync(context.Request.Host.Value!));
        using var channel = GrpcChannel.ForAddress($"dns:///localhost:{server.Port}", new GrpcChannelOptions { Credentials = ChannelCredentials.Insecure });

        (await CallAsync(channel.CreateCallInvoker())).ShouldBe($"localhost:{server.Port}");
    }

    [Fact]
    public void Channel_SchemeWithoutCredentials_IsRefused() =>
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("dns:///localhost"));

    [Fact]
    public void Channel_UnknownScheme_IsRefused() =>
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("carrier-pigeon:///roof", new GrpcChannelOptions { Credentials = ChannelCredentials.Insecure }));

    [Fact]
    public async Task CustomBalancer_FailsEveryCall_StatusReachesTheCaller()
    {
        await using var server = await NamedAsync("a");
        var services = new ServiceCollection();
        services.AddSingleton<ResolverFactory>(new StaticResolverFactory(_ => [new BalancerAddress("127.0.0.1", server.Port)]));
        services.AddSingleton<LoadBalancerFactory>(new DroppingFactory());
        using var channel = GrpcChannel.ForAddress("static:///x", new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Insecure,
            ServiceProvider = services.BuildServiceProvider(),
            ServiceConfig = new ServiceConfig { LoadBalancingConfigs = { new LoadBalancingConfig("dropping") } },
        });

        var failure = await Wire.FailureAsync(channel.CreateCallInvoker().AsyncUnaryCall(RawServer.Unary, null, new CallOptions().WithWaitForReady(), "").ResponseAsync);

        failure.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    private static Task<RawServer> NamedAsync(string name, int port = 0) => RawServer.StartAsync(context => context.Response.AnswerAsync(name), port);

    private static async Task<int> FreePortAsync()
    {
        await using var server = await NamedAsync("");
        return server.Port;
    }

    private static async Task<string> CallAsync(CallInvoker invoker) =>
        await invoker.AsyncUnaryCall(RawServer.Unary, null, new CallOptions(), "").ResponseAsync.DefaultTimeout();

    /// <summary>Calls until the answers so far are as wanted; a call that hits a dying server may fail.</summary>
    private static async Task CallUntilAsync(CallInvoker invoker, Func<List<string>, bool> done)
    {
        var seen = new List<string>();
        var start = Environment.TickCount64;
        while (!done(seen))
        {
            (Environment.TickCount64 - start).ShouldBeLessThan(60_000, string.Join(',', seen.TakeLast(20)));
            try
            {
                seen.Add(await CallAsync(invoker));
            }
            catch (RpcException failure) when (failure.StatusCode is StatusCode.Unavailable or StatusCode.Cancelled or StatusCode.Internal)
            {
                seen.Add(failure.StatusCode.ToString());
            }
        }
    }

    private static GrpcChannel Create(IReadOnlyList<int> ports, LoadBalancingConfig config) =>
        GrpcChannel.ForAddress("static:///servers", Options(config, new StaticResolverFactory(_ => ports.Select(port => new BalancerAddress("127.0.0.1", port)))));

    private static GrpcChannelOptions Options(LoadBalancingConfig config, ResolverFactory resolver) => new()
    {
        Credentials = ChannelCredentials.Insecure,
        InitialReconnectBackoff = TimeSpan.FromMilliseconds(20),
        MaxReconnectBackoff = TimeSpan.FromMilliseconds(200),
        ServiceProvider = new ServiceCollection().AddSingleton(resolver).BuildServiceProvider(),
        ServiceConfig = new ServiceConfig { LoadBalancingConfigs = { config } },
    };

    private sealed class HandResolverFactory(HandResolver resolver) : ResolverFactory
    {
        public override string Name => "hand";

        public override Resolver Create(ResolverOptions options) => resolver;
    }

    private sealed class HandResolver() : PollingResolver(NullLoggerFactory.Instance)
    {
        private volatile ResolverResult? _result;

        public void Found(IEnumerable<int> ports) => _result = ResolverResult.ForResult([.. ports.Select(port => new BalancerAddress("127.0.0.1", port))]);

        public void Failed(Status status) => _result = ResolverResult.ForFailure(status);

        protected override Task ResolveAsync(CancellationToken cancellationToken)
        {
            Listener(_result!);
            return Task.CompletedTask;
        }
    }

    private sealed class DroppingFactory : LoadBalancerFactory
    {
        public override string Name => "dropping";

        public override LoadBalancer Create(LoadBalancerOptions options) => new Dropping(options.Controller, options.LoggerFactory);
    }

    private sealed class Dropping(IChannelControlHelper controller, ILoggerFactory loggerFactory) : SubchannelsLoadBalancer(controller, loggerFactory)
    {
        protected override SubchannelPicker CreatePicker(IReadOnlyList<Subchannel> readySubchannels) => new Picker();

        private sealed class Picker : SubchannelPicker
        {
            public override PickResult Pick(PickContext context) => PickResult.ForDrop(new Status(StatusCode.ResourceExhausted, "dropped"));
        }
    }
}
