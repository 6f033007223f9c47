using Mesh.Testing;

namespace Mesh.Client.Tests;

public sealed class TransportTests
{
    [Theory]
    [InlineData("unix:")]
    [InlineData("unix://")]
    public async Task Client_OverUnixSocket_IsAnswered(string scheme)
    {
        await using var gateway = await FakeGateway.StartAsync(Transport.UnixSocket);
        using var client = gateway.CreateClient(x => x.Address = scheme + gateway.Server.SocketPath);

        (await client.GetCapabilitiesAsync().DefaultTimeout()).MaxCount.ShouldBe(64);
    }

    [Fact]
    public async Task Client_OverTlsWithItsAuthority_IsAnswered()
    {
        await using var gateway = await FakeGateway.StartAsync(Transport.Tls);
        using var folder = new TempFolder();
        gateway.Server.Certificates.WritePem(folder);
        using var client = gateway.CreateClient(x => (x.Address, x.AuthorityFile) = (gateway.Server.Address(Transport.Tls).ToString(), folder.File("ca.pem")));

        (await client.GetCapabilitiesAsync().DefaultTimeout()).MaxCount.ShouldBe(64);
    }

    [Fact]
    public async Task Client_OverTlsWithoutItsAuthority_IsUnreachable()
    {
        await using var gateway = await FakeGateway.StartAsync(Transport.Tls);
        using var client = gateway.CreateClient(x => (x.Address, x.Retries) = (gateway.Server.Address(Transport.Tls).ToString(), 0));

        var fault = await Should.ThrowAsync<MeshException>(() => client.GetCapabilitiesAsync().DefaultTimeout());

        fault.Reason.ShouldBe(MeshException.Unreachable);
    }

    [Fact]
    public async Task Client_OverMutualTls_ShowsItsCertificate()
    {
        await using var gateway = await FakeGateway.StartAsync(Transport.MutualTls);
        using var folder = new TempFolder();
        gateway.Server.Certificates.WritePem(folder);
        using var client = gateway.CreateClient(x =>
        {
            (x.Address, x.AuthorityFile) = (gateway.Server.Address(Transport.MutualTls).ToString(), folder.File("ca.pem"));
            (x.CertificateFile, x.CertificateKeyFile) = (folder.File("client.pem"), folder.File("client.key"));
        });

        (await client.GetCapabilitiesAsync().DefaultTimeout()).MaxCount.ShouldBe(64);
    }

    [Fact]
    public async Task Client_WithKey_SendsItAsABearerToken()
    {
        await using var gateway = await FakeGateway.StartAsync();
        using var client = gateway.CreateClient(x => x.ApiKey = "sesame");

        await client.GetCapabilitiesAsync().DefaultTimeout();
        await client.GenerateImagesAsync(new GenerationRequest("a cat")).DefaultTimeout();

        gateway.Told.Headers.Count.ShouldBe(2);
        gateway.Told.Headers.ShouldAllBe(x => x.Single(y => y.Key == "authorization").Value == "Bearer sesame");
    }

    [Theory]
    [InlineData("ftp://host")]
    [InlineData("http://")]
    [InlineData("unix:")]
    [InlineData("")]
    public void Client_AddressThatIsNone_IsRefusedByName(string address) =>
        Should.Throw<ArgumentException>(() => new MeshClient(new MeshClientOptions { Address = address })).Message.ShouldContain($"'{address}'");

    [Fact]
    public void Client_OptionsThatCannotBe_AreRefusedByName()
    {
        Refused(x => x.Deadline = TimeSpan.Zero, nameof(MeshClientOptions.Deadline));
        Refused(x => x.Retries = -1, nameof(MeshClientOptions.Retries));
        Refused(x => x.RetryBackoff = TimeSpan.FromSeconds(-1), nameof(MeshClientOptions.RetryBackoff));
        Refused(x => x.ConnectTimeout = TimeSpan.Zero, nameof(MeshClientOptions.ConnectTimeout));
        Refused(x => x.KeepAlive = TimeSpan.FromMilliseconds(1), nameof(MeshClientOptions.KeepAlive));
        Refused(x => x.CertificateKeyFile = "key", nameof(MeshClientOptions.CertificateKeyFile));
        Refused(x => x.ApiKey = "two words", nameof(MeshClientOptions.ApiKey));
    }

    [Fact]
    public void Client_CertificateFileThatIsNone_IsRefusedByName()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("empty.pem"), "nothing");

        Should.Throw<ArgumentException>(() => new MeshClient(new MeshClientOptions { Address = "https://localhost", AuthorityFile = folder.File("empty.pem") }))
            .Message.ShouldContain("empty.pem");
        Should.Throw<ArgumentException>(() => new MeshClient(new MeshClientOptions { Address = "https://localhost", CertificateFile = folder.File("empty.pem") }))
            .Message.ShouldContain("empty.pem");
        Should.Throw<IOException>(() => new MeshClient(new MeshClientOptions { Address = "https://localhost", AuthorityFile = folder.File("none.pem") }));
    }

    private static void Refused(Action<MeshClientOptions> change, string name)
    {
        var options = new MeshClientOptions();
        change(options);
        Should.Throw<ArgumentException>(() => new MeshClient(options)).Message.ShouldContain(name);
    }
}
