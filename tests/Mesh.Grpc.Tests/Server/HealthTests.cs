using Grpc.AspNetCore.HealthChecks;
using Grpc.Core;
using Grpc.Health.V1;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Mesh.Grpc.Tests.Server;

public sealed class HealthTests
{
    private const string Check = "/grpc.health.v1.Health/Check";
    private const string Watch = "/grpc.health.v1.Health/Watch";

    [Theory]
    [InlineData(HealthStatus.Healthy, ServingStatus.Serving)]
    [InlineData(HealthStatus.Degraded, ServingStatus.Serving)]
    [InlineData(HealthStatus.Unhealthy, ServingStatus.NotServing)]
    public async Task Check_OfTheServer_RunsTheChecksNow(HealthStatus status, ServingStatus expected)
    {
        await using var host = await StartAsync(health => health.AddCheck("one", () => new HealthCheckResult(status)));

        (await CheckAsync(host, "")).ShouldBe(expected);
    }

    [Fact]
    public async Task Check_NoChecks_IsUnknown()
    {
        await using var host = await StartAsync(_ => { });

        (await CheckAsync(host, "")).ShouldBe(ServingStatus.Unknown);
    }

    [Fact]
    public async Task Check_UnknownService_IsNotFound()
    {
        await using var host = await StartAsync(_ => { });

        var reply = await host.Client.CallAsync(Check, new HealthCheckRequest { Service = "nobody" });

        reply.Status.ShouldBe((int)StatusCode.NotFound);
    }

    [Fact]
    public async Task Check_MappedServices_CountTheirOwnChecks()
    {
        var ran = 0;
        await using var host = await StartAsync(
            health => health
                .AddCheck("good", () => HealthCheckResult.Healthy(), tags: ["a"])
                .AddCheck(
                    "bad",
                    () =>
                    {
                        Interlocked.Increment(ref ran);
                        return HealthCheckResult.Unhealthy();
                    },
                    tags: ["b"]),
            options =>
            {
                options.Services.Map("a", check => check.Tags.Contains("a"));
                options.Services.Map("b", check => check.Name == "bad");
            });

        (await CheckAsync(host, "a")).ShouldBe(ServingStatus.Serving);
        var ranForA = ran;
        (await CheckAsync(host, "b")).ShouldBe(ServingStatus.NotServing);
        (await CheckAsync(host, "")).ShouldBe(ServingStatus.NotServing);
        ranForA.ShouldBe(0, "a check that is not the service's does not run for it");
    }

    [Fact]
    public async Task Check_Cached_AnswersWhatWasPublished()
    {
        await using var host = await StartAsync(
            health => health.AddCheck("one", () => HealthCheckResult.Healthy()), options => options.UseHealthChecksCache = true, publish: true);
        using var content = new ByteArrayContent(WireClient.Frame(new HealthCheckRequest()));

        // The first publication ends the wait; until then the table has no such service.
        var watch = await host.Client.OpenAsync(WireClient.Request(Watch, content));
        ServingStatus status;
        do
            status = await NextAsync(watch);
        while (status == ServingStatus.ServiceUnknown);

        status.ShouldBe(ServingStatus.Serving);
        (await CheckAsync(host, "")).ShouldBe(ServingStatus.Serving);
        watch.Response.Dispose();
    }

    [Fact]
    public async Task Watch_OfAService_TellsChangesAsTheyArePublished()
    {
        var status = HealthStatus.Healthy;
        await using var host = await StartAsync(health => health.AddCheck("one", () => new HealthCheckResult(status)), publish: true);
        using var content = new ByteArrayContent(WireClient.Frame(new HealthCheckRequest()));

        var watch = await host.Client.OpenAsync(WireClient.Request(Watch, content));
        (await NextAsync(watch)).ShouldBe(ServingStatus.Serving);
        status = HealthStatus.Unhealthy;
        ServingStatus next;
        do
            next = await NextAsync(watch);
        while (next == ServingStatus.Serving);

        next.ShouldBe(ServingStatus.NotServing);
        watch.Response.Dispose();
    }

    [Fact]
    public async Task Watch_UnknownService_IsServiceUnknownAndStaysOpen()
    {
        await using var host = await StartAsync(_ => { });
        using var content = new ByteArrayContent(WireClient.Frame(new HealthCheckRequest { Service = "nobody" }));

        var watch = await host.Client.OpenAsync(WireClient.Request(Watch, content));

        (await NextAsync(watch)).ShouldBe(ServingStatus.ServiceUnknown);
        watch.Status.ShouldBeNull();
        watch.Response.Dispose();
    }

    [Fact]
    public async Task Watch_ServerStops_EndsWithNotServing()
    {
        await using var host = await StartAsync(health => health.AddCheck("one", () => HealthCheckResult.Healthy()));
        using var content = new ByteArrayContent(WireClient.Frame(new HealthCheckRequest()));
        var watch = await host.Client.OpenAsync(WireClient.Request(Watch, content));
        (await NextAsync(watch)).ShouldBe(ServingStatus.Serving);

        var stop = host.Server.StopAsync(TimeSpan.FromSeconds(20));
        (await NextAsync(watch)).ShouldBe(ServingStatus.NotServing);
        await watch.ReadToEndAsync();
        await stop.DefaultTimeout();

        watch.Status.ShouldBe(0);
    }

    [Fact]
    public void Mappings_OfOptions_CanBeReplacedAndRemoved()
    {
        var mappings = new ServiceMappingCollection();
        mappings.Map("a", _ => true);
        mappings.Map("a", _ => false);
        mappings.Add(new ServiceMapping("b", (HealthCheckMapContext _) => true));

        mappings.Count.ShouldBe(2);
        mappings.Select(mapping => mapping.Name).ShouldBe(["a", "b"], ignoreOrder: true);
        Should.Throw<ArgumentException>(() => mappings.Add(new ServiceMapping("b", (HealthCheckMapContext _) => true)));
        mappings.Remove("b");
        mappings.Count.ShouldBe(1);
        mappings.Clear();
        mappings.ShouldBeEmpty();
    }

    private static async Task<ServerHost> StartAsync(
        Action<IHealthChecksBuilder> checks, Action<GrpcHealthChecksOptions>? options = null, bool publish = false)
    {
        var host = await ServerHost.StartAsync(
            services: services =>
            {
                checks(services.AddGrpcHealthChecks(options ?? (_ => { })));
                services.Configure<HealthCheckPublisherOptions>(publisher =>
                {
                    publisher.Delay = publish ? TimeSpan.Zero : TimeSpan.FromHours(1);
                    publisher.Period = TimeSpan.FromSeconds(1);
                });
            },
            map: app => app.MapGrpcHealthChecksService());

        // The health checks themselves log an unhealthy one as an error.
        host.Server.Logs.Expect(line => line.Category.EndsWith(".DefaultHealthCheckService", StringComparison.Ordinal));
        return host;
    }

    private static async Task<ServingStatus> CheckAsync(ServerHost host, string service)
    {
        var reply = await host.Client.CallAsync(Check, new HealthCheckRequest { Service = service });
        reply.Status.ShouldBe(0, reply.Detail);
        return HealthCheckResponse.Parser.ParseFrom(reply.Messages.Single().Payload).Status;
    }

    private static async Task<ServingStatus> NextAsync(WireReply watch)
    {
        (await watch.ReadAsync()).ShouldBeTrue("the watch has ended");
        return HealthCheckResponse.Parser.ParseFrom(watch.Messages[^1].Payload).Status;
    }
}
