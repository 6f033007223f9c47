using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Requests that are no gRPC calls, or calls of what is not there.</summary>
public sealed class RequestCheckTests
{
    [Theory]
    [InlineData("application/grpc", true)]
    [InlineData("application/grpc+proto", true)]
    [InlineData("application/grpc;charset=utf-8", true)]
    [InlineData("Application/GRPC", true)]
    [InlineData("application/grpc-web", false)]
    [InlineData("application/json", false)]
    [InlineData("text/plain", false)]
    public async Task ContentType_OfACall_MustBeGrpc(string contentType, bool accepted)
    {
        await using var host = await ServerHost.StartAsync();
        var content = new ByteArrayContent(WireClient.Frame(new TestRequest()));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType).ShouldBeTrue();

        var reply = await host.Client.OpenAsync(WireClient.Request(WireClient.Unary, content));

        reply.HttpStatus.ShouldBe(accepted ? HttpStatusCode.OK : HttpStatusCode.UnsupportedMediaType);
        if (!accepted)
            reply.Detail.ShouldBe($"Content-Type '{contentType}' is not supported.");
    }

    [Fact]
    public async Task ContentType_Missing_IsRefused()
    {
        await using var host = await ServerHost.StartAsync();
        var request = WireClient.Request(WireClient.Unary, new ByteArrayContent([]));
        request.Content!.Headers.ContentType = null;

        var reply = await host.Client.OpenAsync(request);

        reply.HttpStatus.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        reply.Status.ShouldBe((int)StatusCode.Internal);
        reply.Detail.ShouldBe("Content-Type is missing from the request.");
    }

    [Fact]
    public async Task Method_Unknown_IsUnimplemented()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Service + "Nothing", new TestRequest());

        reply.HttpStatus.ShouldBe(HttpStatusCode.OK);
        reply.IsTrailersOnly.ShouldBeTrue();
        reply.Status.ShouldBe((int)StatusCode.Unimplemented);
        reply.Detail.ShouldBe("Method is unimplemented.");
    }

    [Fact]
    public async Task Service_Unknown_IsUnimplemented()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync("/no.such.Service/Method", new TestRequest());

        reply.Status.ShouldBe((int)StatusCode.Unimplemented);
        reply.Detail.ShouldBe("Service is unimplemented.");
    }

    [Fact]
    public async Task Service_UnknownButIgnored_IsLeftToOthers()
    {
        await using var host = await ServerHost.StartAsync(
            options => options.IgnoreUnknownServices = true,
            map: app => app.MapPost("/no.such.Service/Method", () => Results.StatusCode(StatusCodes.Status418ImATeapot)));

        var taken = await host.Client.OpenAsync(WireClient.Request("/no.such.Service/Method", new ByteArrayContent([])));
        var missing = await host.Client.OpenAsync(WireClient.Request("/no.such.Service/Other", new ByteArrayContent([])));

        ((int)taken.HttpStatus).ShouldBe(StatusCodes.Status418ImATeapot);
        missing.HttpStatus.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Method_NotOverridden_IsUnimplemented()
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.CallAsync(WireClient.Service + "Outcome", new OutcomeRequest());

        reply.Status.ShouldBe((int)StatusCode.Unimplemented);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/mesh.testing.v1.TestService")]
    [InlineData("/mesh.testing.v1.TestService/Unary/more")]
    public async Task Path_OfNoMethod_IsNotFound(string path)
    {
        await using var host = await ServerHost.StartAsync();

        var reply = await host.Client.OpenAsync(WireClient.Request(path, new ByteArrayContent([])));

        reply.HttpStatus.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("GET", WireClient.Unary, false, HttpStatusCode.NotFound)]
    [InlineData("PUT", "/two/segments", false, HttpStatusCode.NotFound)]
    [InlineData("GET", WireClient.Unary, true, HttpStatusCode.MethodNotAllowed)]
    [InlineData("PUT", "/two/segments", true, HttpStatusCode.NotFound)]
    public async Task HttpMethod_OtherThanPost_IsNoCall(string method, string path, bool ignoreUnknown, HttpStatusCode expected)
    {
        await using var host = await ServerHost.StartAsync(options => options.IgnoreUnknownServices = ignoreUnknown);
        var request = WireClient.Request(path, new ByteArrayContent([]));
        request.Method = new HttpMethod(method);

        var reply = await host.Client.OpenAsync(request);

        // The answer for unknown methods could take any HTTP method as far as routing knows, so that none is refused as such beside it.
        reply.HttpStatus.ShouldBe(expected);
        reply.Status.ShouldBeNull();
    }

    [Fact]
    public async Task Http11_Call_IsToldToUpgrade()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, options => options.Protocols = HttpProtocols.Http1));
        builder.Services.AddSingleton(new Script()).AddGrpc();
        await using var app = builder.Build();
        app.MapGrpcService<ScriptedService>();
        await app.StartAsync().DefaultTimeout();
        using var http = new HttpClient();
        var content = new ByteArrayContent(WireClient.Frame(new TestRequest()));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");

        using var response = await http.PostAsync(new Uri(app.Urls.Single() + WireClient.Unary), content).DefaultTimeout();

        response.StatusCode.ShouldBe(HttpStatusCode.UpgradeRequired);
        response.Headers.GetValues("grpc-message").Single().ShouldBe("Request protocol 'HTTP/1.1' is not supported.");
        response.Headers.Upgrade.ToString().ShouldBe("HTTP/2");
    }

    [Fact]
    public async Task Headers_BinaryThatIsNoBase64_FailWhenRead()
    {
        await using var host = await ServerHost.StartAsync();
        host.ExpectHandlerErrors();
        host.Script.Unary = (request, context) =>
        {
            _ = context.RequestHeaders;
            return Task.FromResult(Script.Echo(request));
        };

        var reply = await host.Client.CallAsync(WireClient.Unary, new TestRequest(), ("broken-bin", "!!!"));

        reply.Status.ShouldBe((int)StatusCode.Unknown);
        await host.Client.ExpectServingAsync();
    }
}
