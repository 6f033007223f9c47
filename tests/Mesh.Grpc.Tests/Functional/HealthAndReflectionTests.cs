using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Mesh.Grpc.Tests.Functional;

public sealed class HealthAndReflectionTests
{
    private volatile HealthStatus _status = HealthStatus.Healthy;

    [Fact]
    public async Task Check_OfEachService_FollowsItsHealthChecks()
    {
        await using var host = await StartAsync();
        var client = new Health.HealthClient(host.OpenChannel());
        (await CheckAsync(client, "")).ShouldBe(ServingStatus.Serving);
        (await CheckAsync(client, "tagged")).ShouldBe(ServingStatus.Serving);
        _status = HealthStatus.Unhealthy;
        (await CheckAsync(client, "")).ShouldBe(ServingStatus.NotServing);
        (await CheckAsync(client, "tagged")).ShouldBe(ServingStatus.NotServing);
        (await CheckAsync(client, "steady")).ShouldBe(ServingStatus.Serving);
        await CheckAsync(client, "unknown").ShouldFailAsync(StatusCode.NotFound);
    }

    [Fact]
    public async Task Watch_OfAServiceThatChanges_TellsEachChange()
    {
        await using var host = await StartAsync();
        using var call = new Health.HealthClient(host.OpenChannel()).Watch(new HealthCheckRequest { Service = "tagged" });
        await WaitForAsync(call.ResponseStream, ServingStatus.Serving);
        _status = HealthStatus.Unhealthy;
        await WaitForAsync(call.ResponseStream, ServingStatus.NotServing);
        _status = HealthStatus.Degraded;
        await WaitForAsync(call.ResponseStream, ServingStatus.Serving);
    }

    [Fact]
    public async Task Watch_OfAnUnknownService_SaysSoAndStaysOpen()
    {
        await using var host = await StartAsync();
        using var call = new Health.HealthClient(host.OpenChannel()).Watch(new HealthCheckRequest { Service = "unknown" });
        await WaitForAsync(call.ResponseStream, ServingStatus.ServiceUnknown);
        call.ResponseStream.MoveNext(default).IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Reflection_Services_AreListed()
    {
        await using var host = await StartAsync();
        var answer = await ReflectAsync(host, new ServerReflectionRequest { ListServices = "*" });
        var names = answer.ListServicesResponse.Service.Select(service => service.Name).ToList();
        foreach (var name in new[] { "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "mesh.testing.v1.TestService" })
            names.ShouldContain(name);
    }

    [Theory]
    [InlineData("mesh.testing.v1.TestService")]
    [InlineData("mesh.testing.v1.TestService.Unary")]
    [InlineData("mesh.testing.v1.TestReply")]
    public async Task Reflection_FileOfASymbol_DescribesIt(string symbol)
    {
        await using var host = await StartAsync();
        var answer = await ReflectAsync(host, new ServerReflectionRequest { FileContainingSymbol = symbol });
        var files = answer.FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        files.ShouldContain(file => file.Name == "mesh/testing/v1/test.proto");
        files.SelectMany(file => file.Service).SelectMany(service => service.Method).Select(method => method.Name).ShouldContain("Duplex");
    }

    [Fact]
    public async Task Reflection_FileByName_AndUnknownOnes_AreAnswered()
    {
        await using var host = await StartAsync();
        var found = await ReflectAsync(host, new ServerReflectionRequest { FileByFilename = "mesh/testing/v1/test.proto" });
        found.FileDescriptorResponse.FileDescriptorProto.ShouldContain(TestRequest.Descriptor.File.SerializedData);
        var symbol = await ReflectAsync(host, new ServerReflectionRequest { FileContainingSymbol = "no.such.Symbol" });
        symbol.ErrorResponse.ErrorCode.ShouldBe((int)StatusCode.NotFound);
        var file = await ReflectAsync(host, new ServerReflectionRequest { FileByFilename = "no/such.proto" });
        file.ErrorResponse.ErrorCode.ShouldBe((int)StatusCode.NotFound);
    }

    private static async Task<ServerReflectionResponse> ReflectAsync(TestHost host, ServerReflectionRequest request)
    {
        using var call = new ServerReflection.ServerReflectionClient(host.OpenChannel()).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(request).DefaultTimeout();
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        var answer = call.ResponseStream.Current;
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        (await call.ResponseStream.MoveNext(default).DefaultTimeout()).ShouldBeFalse();
        return answer;
    }

    private static async Task<ServingStatus> CheckAsync(Health.HealthClient client, string service) =>
        (await client.CheckAsync(new HealthCheckRequest { Service = service }).ResponseAsync.DefaultTimeout()).Status;

    private static async Task WaitForAsync(IAsyncStreamReader<HealthCheckResponse> reader, ServingStatus status)
    {
        do
            (await reader.MoveNext(default).DefaultTimeout()).ShouldBeTrue();
        while (reader.Current.Status != status);
    }

    private async Task<TestHost> StartAsync()
    {
        var host = await StartUnobservedAsync();
        // An unhealthy check is logged as an error by the health checks themselves.
        host.Server.Logs.Expect(line => line.Category.EndsWith(".DefaultHealthCheckService", StringComparison.Ordinal));
        return host;
    }

    private Task<TestHost> StartUnobservedAsync() => TestHost.StartAsync(
        services: services =>
        {
            services.AddGrpcReflection();
            services.Configure<HealthCheckPublisherOptions>(options => (options.Delay, options.Period) = (TimeSpan.Zero, TimeSpan.FromSeconds(1)));
            services.AddGrpcHealthChecks(options =>
                {
                    options.Services.Map("tagged", context => context.Tags.Contains("tag"));
                    options.Services.Map("steady", context => context.Name == "steady");
                })
                .AddCheck("changing", () => new HealthCheckResult(_status), ["tag"])
                .AddCheck("steady", () => HealthCheckResult.Healthy());
        },
        map: app =>
        {
            app.MapGrpcHealthChecksService();
            app.MapGrpcReflectionService();
        });
}
