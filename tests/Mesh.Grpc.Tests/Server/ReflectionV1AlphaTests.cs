using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1Alpha;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>Server reflection, v1alpha.</summary>
public sealed class ReflectionV1AlphaTests
{
    private const string Path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

    [Fact]
    public async Task List_OfServices_NamesAllThatAreMapped()
    {
        await using var host = await StartAsync();

        var response = await AskAsync(host, new ServerReflectionRequest { ListServices = "" });

        var names = response.ListServicesResponse.Service.Select(service => service.Name).ToList();
        names.ShouldContain("mesh.testing.v1.TestService");
        names.ShouldContain("grpc.health.v1.Health");
        names.ShouldContain("grpc.reflection.v1.ServerReflection");
        names.ShouldContain("grpc.reflection.v1alpha.ServerReflection");
        names.ShouldBeUnique();
    }

    [Theory]
    [InlineData("mesh.testing.v1.TestService")]
    [InlineData("mesh.testing.v1.TestRequest")]
    public async Task File_ContainingASymbol_IsItsDescriptor(string symbol)
    {
        await using var host = await StartAsync();

        var response = await AskAsync(host, new ServerReflectionRequest { FileContainingSymbol = symbol });

        var files = response.FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        var file = files.Single(file => file.Name == "mesh/testing/v1/test.proto");
        file.Service.Single().Name.ShouldBe("TestService");
        file.MessageType.Select(message => message.Name).ShouldContain("TestRequest");
    }

    [Fact]
    public async Task File_ByItsName_IsItsDescriptor()
    {
        await using var host = await StartAsync();

        var response = await AskAsync(host, new ServerReflectionRequest { FileByFilename = "mesh/testing/v1/test.proto" });

        var bytes = response.FileDescriptorResponse.FileDescriptorProto.Single(file => FileDescriptorProto.Parser.ParseFrom(file).Name.StartsWith("mesh", StringComparison.Ordinal));
        bytes.ShouldBe(Mesh.Testing.V1.TestReflection.Descriptor.SerializedData);
    }

    [Fact]
    public async Task Requests_ForWhatIsNotThere_AreNotFound()
    {
        await using var host = await StartAsync();
        ServerReflectionRequest[] requests =
        [
            new() { FileByFilename = "no/such.proto" },
            new() { FileContainingSymbol = "no.such.Symbol" },
        ];

        foreach (var request in requests)
        {
            var response = await AskAsync(host, request);
            response.ErrorResponse.ShouldNotBeNull().ErrorCode.ShouldBe((int)StatusCode.NotFound, request.ToString());
        }
    }

    [Fact]
    public async Task Requests_ForExtensionsThatAreNotThere_AreErrors()
    {
        await using var host = await StartAsync();
        ServerReflectionRequest[] requests =
        [
            new() { FileContainingExtension = new ExtensionRequest { ContainingType = "mesh.testing.v1.TestRequest", ExtensionNumber = 7 } },
            new() { AllExtensionNumbersOfType = "no.such.Message" },
        ];

        foreach (var request in requests)
        {
            // A server may know no extensions at all.
            var response = await AskAsync(host, request);
            response.ErrorResponse.ShouldNotBeNull().ErrorCode.ShouldBeOneOf((int)StatusCode.NotFound, (int)StatusCode.Unimplemented);
        }
    }

    [Fact]
    public async Task Requests_OnOneStream_AreAnsweredInTurn()
    {
        await using var host = await StartAsync();
        byte[] body =
        [
            .. WireClient.Frame(new ServerReflectionRequest { ListServices = "" }),
            .. WireClient.Frame(new ServerReflectionRequest { FileContainingSymbol = "grpc.health.v1.Health" }),
        ];

        var reply = await host.Client.CallAsync(Path, body);

        reply.Status.ShouldBe(0);
        var responses = reply.Messages.Select(message => ServerReflectionResponse.Parser.ParseFrom(message.Payload)).ToList();
        responses[0].MessageResponseCase.ShouldBe(ServerReflectionResponse.MessageResponseOneofCase.ListServicesResponse);
        responses[1].MessageResponseCase.ShouldBe(ServerReflectionResponse.MessageResponseOneofCase.FileDescriptorResponse);
    }

    private static Task<ServerHost> StartAsync() => ServerHost.StartAsync(
        services: services =>
        {
            services.AddGrpcReflection();
            services.AddGrpcHealthChecks();
        },
        map: app =>
        {
            app.MapGrpcReflectionService();
            app.MapGrpcHealthChecksService();
        });

    private static async Task<ServerReflectionResponse> AskAsync(ServerHost host, ServerReflectionRequest request)
    {
        var reply = await host.Client.CallAsync(Path, request);
        reply.Status.ShouldBe(0, reply.Detail);
        return ServerReflectionResponse.Parser.ParseFrom(reply.Messages.Single().Payload);
    }
}
