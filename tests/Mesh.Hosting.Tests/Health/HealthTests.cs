using System.Net;
using Grpc.Core;
using Grpc.Health.V1;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Health;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Mesh.Hosting.Tests.Health;

public sealed class HealthTests
{
    private const string Model = "model emoji";

    [Theory]
    [InlineData("")]
    [InlineData("mesh.stage.v1.StageService")]
    [InlineData("mesh.text.v1.TextEncoderService")]
    public async Task Check_GateOpens_GoesFromNotServingToServing(string service)
    {
        await using var probe = await StartClosedAsync();
        var health = new Grpc.Health.V1.Health.HealthClient(probe.Channel);

        (await CheckAsync(health, service)).ShouldBe(ServingStatus.NotServing);
        probe.Services.GetRequiredService<Readiness>().Open(Model);

        (await CheckAsync(health, service)).ShouldBe(ServingStatus.Serving);
    }

    [Fact]
    public async Task Check_UnknownService_IsNotFound()
    {
        await using var probe = await Probe.StartAsync();

        var e = await Should.ThrowAsync<RpcException>(CheckAsync(new(probe.Channel), "mesh.none.v1.NoService"));

        e.StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task Watch_GateOpensAndCloses_TellsEachChange()
    {
        await using var probe = await StartClosedAsync();
        var readiness = probe.Services.GetRequiredService<Readiness>();
        using var watch = new Grpc.Health.V1.Health.HealthClient(probe.Channel).Watch(new HealthCheckRequest());

        await NextAsync(watch, ServingStatus.NotServing);
        readiness.Open(Model);
        await NextAsync(watch, ServingStatus.Serving);
        readiness.Close(Model, "is being replaced");
        await NextAsync(watch, ServingStatus.NotServing);
    }

    [Fact]
    public async Task Readyz_GateIsClosed_SaysWhatIsMissingWhileHealthzLives()
    {
        await using var probe = await StartClosedAsync();

        (await GetAsync(probe, "/healthz")).ShouldBe((HttpStatusCode.OK, """{"status":"live"}"""));
        (await GetAsync(probe, "/readyz")).ShouldBe((HttpStatusCode.ServiceUnavailable, """{"status":"not ready","missing":{"model emoji":"weights are loading"}}"""));
        probe.Services.GetRequiredService<Readiness>().Open(Model);
        (await GetAsync(probe, "/readyz")).ShouldBe((HttpStatusCode.OK, """{"status":"ready","missing":{}}"""));
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("false", false)]
    public async Task Reflection_Switch_ServesItOrNot(string setting, bool served)
    {
        await using var probe = await Probe.StartAsync(settings: ("Mesh:Listen:Reflection", setting));
        using var call = new Grpc.Reflection.V1Alpha.ServerReflection.ServerReflectionClient(probe.Channel).ServerReflectionInfo();
        var write = call.RequestStream.WriteAsync(new() { ListServices = "" });

        if (served)
        {
            (await call.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();
            call.ResponseStream.Current.ListServicesResponse.Service.Select(x => x.Name).ShouldContain("mesh.stage.v1.StageService");
        }
        else (await Should.ThrowAsync<RpcException>(call.ResponseStream.MoveNext().DefaultTimeout())).StatusCode.ShouldBe(StatusCode.Unimplemented);
        await Probe.SentOrTooLateAsync(write);
    }

    private static Task<Probe> StartClosedAsync() => Probe.StartAsync(null, builder => builder.RequireReady(Model, "weights are loading"), new PeerOptions());

    private static async Task<ServingStatus> CheckAsync(Grpc.Health.V1.Health.HealthClient health, string service) =>
        (await health.CheckAsync(new HealthCheckRequest { Service = service }).ResponseAsync.DefaultTimeout()).Status;

    private static async Task NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch, ServingStatus expected)
    {
        (await watch.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(expected);
    }

    private static async Task<(HttpStatusCode Code, string Body)> GetAsync(Probe probe, string path)
    {
        using var answer = await probe.Http.GetAsync(new Uri(path, UriKind.Relative)).DefaultTimeout();
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync().DefaultTimeout());
    }
}
