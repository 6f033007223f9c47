using Mesh.Decoder;
using Mesh.Gateway;
using Mesh.Generator;
using Mesh.Hosting.Configuration;
using Mesh.Testing;
using Mesh.TextEncoder;
using Mesh.Upsampler;
using Microsoft.AspNetCore.Builder;

namespace Mesh.FunctionalTests.Deploy;

/// <summary>Every service takes the configuration that docker-compose.yml gives it.</summary>
public sealed class ComposeConfigurationTests
{
    private static readonly Dictionary<string, Func<string[], IReadOnlyDictionary<string, string?>, WebApplication>> Apps = new()
    {
        ["Mesh.Gateway"] = GatewayApp.Create,
        ["Mesh.TextEncoder"] = TextEncoderApp.Create,
        ["Mesh.Generator"] = GeneratorApp.Create,
        ["Mesh.Decoder"] = DecoderApp.Create,
        ["Mesh.Upsampler"] = UpsamplerApp.Create,
    };

    public static TheoryData<string> Services => [.. ComposeFile.Services.Where(x => !x.Value["build"].IsEmpty).Select(x => x.Key)];

    [Theory]
    [MemberData(nameof(Services))]
    public async Task Service_WithItsEnvironment_IsConfigured(string name)
    {
        await using var app = Create(name, []);

        app.ShouldNotBeNull();
    }

    [Fact]
    public void Service_WithAMisspeltVariable_IsNot() =>
        Should.Throw<ConfigurationException>(() => Create("gateway", [("Mesh:Listen:AllowRemote", "true")])).Message.ShouldContain("AllowRemote");

    [Fact]
    public void Gateway_WithoutTheVariableThatOpensIt_IsNot() =>
        Should.Throw<ConfigurationException>(() => Create("gateway", [("Mesh:Listen:AllowRemoteWithoutKeys", "false")])).Message.ShouldContain("Mesh:Keys");

    private static WebApplication Create(string name, (string Key, string Value)[] more)
    {
        var service = ComposeFile.Services[name];
        var settings = service["environment"].Entries.Where(x => x.Key.StartsWith("Mesh__", StringComparison.Ordinal))
            .ToDictionary(x => x.Key.Replace("__", ":", StringComparison.Ordinal), string? (x) => x.Value.Text);
        // The device is the container's; what a machine without it says is tested where devices are.
        if (settings.ContainsKey("Mesh:Device:Name")) settings["Mesh:Device:Name"] = "cpu";
        foreach (var (key, value) in more) settings[key] = value;
        var (file, _, _) = ComposeFile.Mounts(service).Single(x => x.Container == service["environment"]["MESH_CONFIG"].Text);
        return Apps[service["build"]["args"]["SERVICE"].Text!](["--config", Repository.PathOf(file)], settings);
    }
}
