using System.Net;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Peers;

namespace Mesh.Hosting.Tests.Peers;

public sealed class MeshEndpointTests
{
    [Theory]
    [InlineData("http://127.0.0.1:50061", EndpointKind.Http, "127.0.0.1", 50061)]
    [InlineData("https://stage.local:443", EndpointKind.Https, "stage.local", 443)]
    [InlineData("http://[::1]:5", EndpointKind.Http, "::1", 5)]
    [InlineData("dns://generator:50062", EndpointKind.Dns, "generator", 50062)]
    [InlineData("unix:/run/mesh/text.sock", EndpointKind.Unix, "/run/mesh/text.sock", 0)]
    public void Parse_Endpoint_ReadsAndWritesIt(string text, EndpointKind kind, string host, int port)
    {
        var endpoint = MeshEndpoint.Parse(text);

        endpoint.ShouldBe(new MeshEndpoint(kind, host, port));
        endpoint.ToString().ShouldBe(text);
    }

    [Fact]
    public void Parse_SocketAsAUri_IsTheSame() => MeshEndpoint.Parse("unix:///run/x.sock").ShouldBe(MeshEndpoint.Parse("unix:/run/x.sock"));

    [Theory]
    [InlineData("")]
    [InlineData("127.0.0.1:50061")]
    [InlineData("http://host")]
    [InlineData("http://host:0")]
    [InlineData("http://host:70000")]
    [InlineData("http://user@host:1")]
    [InlineData("http://host:1/path")]
    [InlineData("ftp://host:1")]
    [InlineData("unix://host:1")]
    [InlineData("unix:here.sock")]
    public void Parse_None_SaysWhatOneLooksLike(string text) =>
        Should.Throw<FormatException>(() => MeshEndpoint.Parse(text)).Message.ShouldBe($"'{text}' is no endpoint; write http://host:port, https://host:port, unix:/path or dns://host:port");

    [Fact]
    public async Task Create_AddressIsGiven_ConnectsThereAndNotByName()
    {
        await using var probe = await Probe.StartAsync();
        var port = MeshEndpoint.Parse(probe.Addresses.Grpc).Port;
        using var channel = Probe.Peers().Create(new MeshEndpoint(EndpointKind.Dns, "no-such-name.invalid", port), IPAddress.Loopback);

        (await new Mesh.Contracts.Stage.V1.StageService.StageServiceClient(channel).GetStageAsync(new())).Stage.ShouldBe("probe");
    }

    [Fact]
    public async Task Create_MessageIsLargerThanAllowed_IsRefused()
    {
        await using var probe = await Probe.StartAsync(null, _ => { }, new PeerOptions { MaxMessageBytes = 4096 });
        using var call = new Mesh.Contracts.Text.V1.TextEncoderService.TextEncoderServiceClient(probe.Channel).Encode();

        var e = await Should.ThrowAsync<Grpc.Core.RpcException>(call.RequestStream.WriteAsync(new() { Model = new() { Id = new string('x', 5000) } }));

        e.StatusCode.ShouldBe(Grpc.Core.StatusCode.ResourceExhausted);
    }
}
