using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Functional;

/// <summary>One channel over several real servers.</summary>
public sealed class BalancingTests
{
    [Fact]
    public async Task PickFirst_AllServersUp_UsesOneOnly()
    {
        await using var hosts = await Hosts.StartAsync(3);
        var client = hosts.Connect(new PickFirstConfig());
        var seen = new HashSet<string>();
        for (var i = 0; i < 20; i++)
            seen.Add(await AskAsync(client));
        seen.ShouldBe(["0"]);
    }

    [Fact]
    public async Task PickFirst_ItsServerDies_MovesOn()
    {
        await using var hosts = await Hosts.StartAsync(2);
        var client = hosts.Connect(new PickFirstConfig());
        (await AskAsync(client)).ShouldBe("0");
        await hosts.StopAsync(0);
        (await AskAsync(client)).ShouldBe("1");
    }

    [Fact]
    public async Task RoundRobin_AllServersUp_SharesEvenly()
    {
        await using var hosts = await Hosts.StartAsync(3);
        var client = hosts.Connect(new RoundRobinConfig());
        await AskUntilAsync(client, seen => seen.Count == 3);
        var answers = new List<string>();
        for (var i = 0; i < 30; i++)
            answers.Add(await AskAsync(client));
        answers.CountBy(answer => answer).OrderBy(pair => pair.Key).ShouldBe([new("0", 10), new("1", 10), new("2", 10)]);
    }

    [Fact]
    public async Task RoundRobin_OneServerDiesAndReturns_IsLeftOutAndTakenBack()
    {
        await using var hosts = await Hosts.StartAsync(3);
        var client = hosts.Connect(new RoundRobinConfig());
        await AskUntilAsync(client, seen => seen.Count == 3);
        await hosts.StopAsync(1);
        await UntilSettledAsync(client);
        var answers = new HashSet<string>();
        for (var i = 0; i < 30; i++)
            answers.Add(await AskAsync(client));
        answers.Order().ShouldBe(["0", "2"]);
        await hosts.RestartAsync(1);
        await AskUntilAsync(client, seen => seen.Contains("1"));
    }

    [Fact]
    public async Task NoServerUp_Call_IsUnavailable()
    {
        await using var hosts = await Hosts.StartAsync(1);
        await hosts.StopAsync(0);
        var client = hosts.Connect(new RoundRobinConfig(), retries: false);
        await client.UnaryAsync(new TestRequest()).ResponseAsync.ShouldFailAsync(StatusCode.Unavailable);
    }

    [Fact]
    public async Task WaitForReady_ServerComesLater_TheCallSucceeds()
    {
        await using var hosts = await Hosts.StartAsync(1);
        await hosts.StopAsync(0);
        var client = hosts.Connect(new PickFirstConfig());
        var call = client.UnaryAsync(new TestRequest { Text = "patient" }, new CallOptions().WithWaitForReady());
        await hosts.RestartAsync(0);
        (await call.ResponseAsync.DefaultTimeout()).Text.ShouldBe("patient");
    }

    [Fact]
    public async Task DnsResolver_Localhost_FindsTheServer()
    {
        await using var hosts = await Hosts.StartAsync(1);
        using var channel = GrpcChannel.ForAddress($"dns:///localhost:{hosts.Port(0)}", new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Insecure,
            ServiceConfig = new ServiceConfig { LoadBalancingConfigs = { new RoundRobinConfig() } },
        });
        (await AskAsync(new TestService.TestServiceClient(channel))).ShouldBe("0");
    }

    [Fact]
    public async Task Channel_States_FollowTheConnection()
    {
        await using var hosts = await Hosts.StartAsync(1);
        using var channel = hosts.OpenChannel(new PickFirstConfig());
        channel.State.ShouldBe(ConnectivityState.Idle);
        await channel.ConnectAsync().DefaultTimeout();
        channel.State.ShouldBe(ConnectivityState.Ready);
        var change = channel.WaitForStateChangedAsync(ConnectivityState.Ready);
        await hosts.StopAsync(0);
        await change.DefaultTimeout();
        channel.State.ShouldNotBe(ConnectivityState.Ready);
    }

    /// <summary>A call may still meet the connection that is being closed, and fail; ten in a row that do not mean that it is gone.</summary>
    private static async Task UntilSettledAsync(TestService.TestServiceClient client)
    {
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        for (var good = 0; good < 10;)
        {
            limit.Token.ThrowIfCancellationRequested();
            try
            {
                await AskAsync(client);
                good++;
            }
            catch (RpcException)
            {
                good = 0;
            }
        }
    }

    private static async Task<string> AskAsync(TestService.TestServiceClient client)
    {
        using var call = client.UnaryAsync(new TestRequest());
        await call.ResponseAsync.DefaultTimeout();
        return (await call.ResponseHeadersAsync.DefaultTimeout()).GetValue("x-server")!;
    }

    private static async Task AskUntilAsync(TestService.TestServiceClient client, Func<IReadOnlySet<string>, bool> enough)
    {
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        var seen = new HashSet<string>();
        while (!enough(seen))
        {
            limit.IsCancellationRequested.ShouldBeFalse($"Only {string.Join(',', seen)} answered.");
            seen.Add(await AskAsync(client));
        }
    }

    private sealed class Hosts : IAsyncDisposable
    {
        private readonly List<TestHost> _hosts = [];
        private readonly List<int> _ports = [];
        private readonly List<GrpcChannel> _channels = [];

        public static async Task<Hosts> StartAsync(int count)
        {
            var hosts = new Hosts();
            for (var i = 0; i < count; i++)
            {
                hosts._hosts.Add(await StartOneAsync(i, port: 0));
                hosts._ports.Add(hosts._hosts[i].Server.Port());
            }
            return hosts;
        }

        public int Port(int index) => _ports[index];

        public async Task StopAsync(int index)
        {
            // Idle connections are told to go and closed; nothing is left to wait for.
            await _hosts[index].Server.StopAsync(TimeSpan.FromSeconds(5));
            await _hosts[index].DisposeAsync();
        }

        public async Task RestartAsync(int index) => _hosts[index] = await StartOneAsync(index, _ports[index]);

        public TestService.TestServiceClient Connect(LoadBalancingConfig config, bool retries = true) => new(OpenChannel(config, retries));

        public GrpcChannel OpenChannel(LoadBalancingConfig config, bool retries = true)
        {
            var addresses = _ports.Select(port => new BalancerAddress("127.0.0.1", port)).ToList();
            var services = new ServiceCollection().AddSingleton<ResolverFactory>(new StaticResolverFactory(_ => addresses)).BuildServiceProvider();
            var service = new ServiceConfig { LoadBalancingConfigs = { config } };
            if (retries)
                service.MethodConfigs.Add(RetryTests.Policy(attempts: 5));
            var channel = GrpcChannel.ForAddress("static:///test", new GrpcChannelOptions
            {
                Credentials = ChannelCredentials.Insecure,
                ServiceProvider = services,
                ServiceConfig = service,
                InitialReconnectBackoff = TimeSpan.FromMilliseconds(50),
                MaxReconnectBackoff = TimeSpan.FromMilliseconds(200),
            });
            _channels.Add(channel);
            return channel;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var channel in _channels)
                channel.Dispose();
            foreach (var host in _hosts)
                await host.DisposeAsync();
        }

        private static Task<TestHost> StartOneAsync(int index, int port) => TestHost.StartAsync(
            map: app => app.Use((context, next) =>
            {
                context.Response.Headers["x-server"] = $"{index}";
                return next(context);
            }),
            port: port);
    }
}
