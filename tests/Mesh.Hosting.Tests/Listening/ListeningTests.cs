using System.Net.Sockets;
using Grpc.Core;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Listening;
using Mesh.Testing;

namespace Mesh.Hosting.Tests.Listening;

public sealed class ListeningTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly TestCertificates _certificates = new();

    public ListeningTests() => _certificates.WritePem(_folder);

    public void Dispose()
    {
        _certificates.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("127.0.0.1:50051", "127.0.0.1", 50051, null, true)]
    [InlineData("localhost:0", "127.0.0.1", 0, null, true)]
    [InlineData("[::1]:8080", "::1", 8080, null, true)]
    [InlineData("*:1", "::", 1, null, false)]
    [InlineData("0.0.0.0:65535", "0.0.0.0", 65535, null, false)]
    [InlineData("http://10.0.0.1:80", "10.0.0.1", 80, false, false)]
    [InlineData("https://10.0.0.1:80/", "10.0.0.1", 80, true, false)]
    public void Parse_Address_IsReadAsWritten(string text, string address, int port, bool? secure, bool local)
    {
        var parsed = ListenAddress.Parse(text);

        parsed.ShouldBe(new ListenAddress(System.Net.IPAddress.Parse(address), port, null, secure));
        parsed.IsLocal.ShouldBe(local);
    }

    [Fact]
    public void Parse_Socket_IsLocal() => ListenAddress.Parse("unix:/run/../run/x.sock").ShouldBe(new ListenAddress(null, 0, "/run/x.sock", null));

    [Theory]
    [InlineData("")]
    [InlineData("50051")]
    [InlineData("localhost")]
    [InlineData("somewhere.org:80")]
    [InlineData("::1:80")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("ftp://127.0.0.1:80")]
    [InlineData("unix:relative.sock")]
    public void Parse_NoAddress_SaysWhatOneLooksLike(string text) => Should.Throw<FormatException>(() => ListenAddress.Parse(text)).Message.ShouldStartWith($"'{text}' is no address; write host:port");

    [Fact]
    public void Parse_SocketPathTooLong_SaysSo() =>
        Should.Throw<FormatException>(() => ListenAddress.Parse("unix:/" + new string('x', 107))).Message.ShouldContain("has 108 bytes; a socket's path has 107 at most");

    [Theory]
    [InlineData("Mesh:Listen:Grpc=0.0.0.0:0", false)]
    [InlineData("Mesh:Listen:Http=[::]:0", false)]
    [InlineData("Mesh:Listen:Http=127.0.0.1:0", true)]
    public void Build_BeyondTheLoopbackWithoutProof_Refuses(string setting, bool works)
    {
        if (works) ((IDisposable)ProbeApp.Create(["--" + setting])).Dispose();
        else
        {
            Should.Throw<ConfigurationException>(() => ProbeApp.Create(["--" + setting])).Faults.Single()
                .ShouldEndWith("other machines can reach '" + setting[(setting.IndexOf('=', StringComparison.Ordinal) + 1)..] + "', and callers need not prove who they are; configure Mesh:Tls:ClientAuthority, or set Mesh:Listen:AllowRemoteWithoutKeys=true");
        }
    }

    [Theory]
    [InlineData("allowed")]
    [InlineData("mutual")]
    [InlineData("keys")]
    public void Build_BeyondTheLoopbackWithProof_Works(string how)
    {
        var service = ProbeApp.Service with { HasKeys = x => x["Mesh:Keys:0:Name"] is not null };
        var tls = $"--Mesh:Tls:Certificate={_folder.File("server.pem")} --Mesh:Tls:Key={_folder.File("server.key")} --Mesh:Tls:ClientAuthority={_folder.File("ca.pem")}";
        var proof = how switch { "allowed" => "--Mesh:Listen:AllowRemoteWithoutKeys=true", "mutual" => tls, _ => "--Mesh:Keys:0:Name=a" };

        ((IDisposable)MeshHost.Create(service, ["--Mesh:Listen:Grpc=0.0.0.0:0", .. proof.Split(' ')]).BuildMesh()).Dispose();
    }

    [Fact]
    public void Build_HttpsWithoutCertificate_Refuses() =>
        Should.Throw<ConfigurationException>(() => ProbeApp.Create(["--Mesh:Listen:Grpc=https://127.0.0.1:0"])).Faults.ShouldBe(["Mesh:Listen:Grpc: https needs Mesh:Tls:Certificate and Mesh:Tls:Key"]);

    [Fact]
    public async Task Tls_PeerTrustsTheAuthority_Works()
    {
        await using var probe = await SecureAsync(mutual: false, new PeerOptions { Authority = _folder.File("ca.pem") });

        probe.Addresses.Grpc.ShouldStartWith("https://127.0.0.1:");
        (await probe.CallAsync()).Stage.ShouldBe("probe");
    }

    [Fact]
    public async Task Tls_PeerTrustsAnotherAuthority_Fails()
    {
        using TempFolder elsewhere = new();
        using TestCertificates others = new();
        others.WritePem(elsewhere);
        await using var probe = await SecureAsync(mutual: false, new PeerOptions { Authority = elsewhere.File("ca.pem") });

        (await Should.ThrowAsync<RpcException>(probe.CallAsync())).StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal);
    }

    [Fact]
    public async Task MutualTls_RightCertificate_Works()
    {
        await using var probe = await SecureAsync(mutual: true, Peer(_folder));

        (await probe.CallAsync()).Stage.ShouldBe("probe");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("of another authority")]
    [InlineData("of a server")]
    public async Task MutualTls_WrongCertificate_IsTurnedAway(string certificate)
    {
        using TempFolder elsewhere = new();
        using TestCertificates others = new();
        others.WritePem(elsewhere);
        var peer = certificate switch
        {
            "none" => new PeerOptions(),
            "of a server" => new PeerOptions { Certificate = _folder.File("server.pem"), Key = _folder.File("server.key") },
            _ => Peer(elsewhere),
        };
        peer.Authority = _folder.File("ca.pem");
        await using var probe = await SecureAsync(mutual: true, peer);

        (await Should.ThrowAsync<RpcException>(probe.CallAsync())).StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal);
    }

    [Fact]
    public async Task UnixSocket_LeftByAKilledProcess_IsTakenOver()
    {
        var path = _folder.File("probe.sock");
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(path));
            File.Copy("/dev/null", path + ".keep");
            // Closing removes the file; a killed process leaves it.
            File.Move(path, path + ".left");
        }
        File.Move(path + ".left", path);

        await using var probe = await Probe.StartAsync(settings: ("Mesh:Listen:Grpc", "unix:" + path));

        probe.Addresses.Grpc.ShouldBe("unix:" + path);
        (await probe.CallAsync()).Stage.ShouldBe("probe");
    }

    [Fact]
    public async Task UnixSocket_AnotherServiceListens_LeavesItAlone()
    {
        var path = _folder.File("probe.sock");
        await using var first = await Probe.StartAsync(settings: ("Mesh:Listen:Grpc", "unix:" + path));
        using StringWriter errors = new();

        var code = await ServiceProgram.RunAsync(() => ProbeApp.Create([$"--Mesh:Listen:Grpc=unix:{path}"]), errors).DefaultTimeout();

        code.ShouldBe(ServiceProgram.Failed);
        errors.ToString().ShouldContain(path);
        (await first.CallAsync()).Stage.ShouldBe("probe");
    }

    [Fact]
    public async Task Http_None_ListensForGrpcAlone()
    {
        await using var probe = await Probe.StartAsync(settings: ("Mesh:Listen:Http", ""));

        probe.Addresses.Http.ShouldBeNull();
        (await probe.CallAsync()).Stage.ShouldBe("probe");
    }

    private static PeerOptions Peer(TempFolder folder) => new() { Authority = folder.File("ca.pem"), Certificate = folder.File("client.pem"), Key = folder.File("client.key") };

    private Task<Probe> SecureAsync(bool mutual, PeerOptions peer) => Probe.StartAsync(null, _ => { }, peer,
        ("Mesh:Tls:Certificate", _folder.File("server.pem")), ("Mesh:Tls:Key", _folder.File("server.key")), ("Mesh:Tls:ClientAuthority", mutual ? _folder.File("ca.pem") : null));
}
