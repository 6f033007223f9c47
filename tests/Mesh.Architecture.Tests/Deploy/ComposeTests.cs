using System.Globalization;
using System.Text.Json;
using Mesh.Testing;

namespace Mesh.Architecture.Tests.Deploy;

/// <summary>docker-compose.yml and what it builds on agree with the repository and with each other.</summary>
public sealed class ComposeTests
{
    private const string Configuration = "deploy/docker/mesh.json";
    private const string ConfigurationInside = "/etc/mesh/mesh.json";

    public static TheoryData<string> All => [.. ComposeFile.Services.Keys];

    public static TheoryData<string> Ours => [.. ComposeFile.Services.Where(x => !x.Value["build"].IsEmpty).Select(x => x.Key)];

    public static TheoryData<string> Profiles => ["cpu", "gpu"];

    [Theory]
    [MemberData(nameof(All))]
    public void Service_Any_IsConfined(string name)
    {
        var service = ComposeFile.Services[name];

        int.Parse(service["user"].Text!.Split(':')[0], CultureInfo.InvariantCulture).ShouldBeGreaterThan(0);
        service["read_only"].Text.ShouldBe("true");
        service["cap_drop"].Items.Select(x => x.Text).ShouldBe(["ALL"]);
        service["security_opt"].Items.Select(x => x.Text).ShouldContain("no-new-privileges:true");
        service["deploy"]["resources"]["limits"]["memory"].Text.ShouldNotBeNull();
        service["deploy"]["resources"]["limits"]["cpus"].Text.ShouldNotBeNull();
        service["healthcheck"]["test"].Items.ShouldNotBeEmpty();
        service["restart"].Text.ShouldBe("unless-stopped");
        service["networks"].IsEmpty.ShouldBeFalse();
        ComposeFile.Mounts(service).Where(x => x.Mode != "ro" || !Path.Exists(Repository.PathOf(x.Host))).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Ours))]
    public void Service_OfOurs_IsBuiltFromAProjectOfTheTree(string name)
    {
        var build = ComposeFile.Services[name]["build"];
        var project = build["args"]["SERVICE"].Text!;

        build["context"].Text.ShouldBe(".");
        File.Exists(Repository.PathOf(build["dockerfile"].Text!)).ShouldBeTrue();
        File.Exists(Repository.PathOf("services", project, project + ".csproj")).ShouldBeTrue();
        build["args"]["MESH_DEVICE"].Text.ShouldBe(name.EndsWith("-gpu", StringComparison.Ordinal) ? "cuda" : "cpu");
        build["args"].Entries.Keys.ShouldAllBe(argument => Tree.Read("deploy/docker/Service.Dockerfile").Contains($"ARG {argument}"));
    }

    [Theory]
    [MemberData(nameof(Ours))]
    public void Service_OfOurs_ReadsTheOneConfiguration(string name)
    {
        var service = ComposeFile.Services[name];
        var environment = service["environment"];

        environment["MESH_CONFIG"].Text.ShouldBe(ConfigurationInside);
        ComposeFile.Mounts(service).ShouldContain((Configuration, ConfigurationInside, "ro"));
        var health = service["healthcheck"]["test"].Items[^1].Text!;
        new Uri(health).Port.ShouldBe(PortOf(environment["Mesh__Listen__Http"].Text!));
        new Uri(health).AbsolutePath.ShouldBe("/readyz");
        // One that calls may be cut off before it has drained would lose them.
        TimeSpan.FromSeconds(int.Parse(service["stop_grace_period"].Text!.TrimEnd('s'), CultureInfo.InvariantCulture)).ShouldBeGreaterThan(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void Image_OfAService_IsMadeWithThePublicPackages()
    {
        var file = Tree.Read("deploy/docker/Service.Dockerfile");

        file.ShouldContain("-p:MeshFeed=nuget");
        file.ShouldContain("USER $APP_UID");
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Stages_OfAProfile_AreWhereTheGatewayLooks(string profile)
    {
        var stages = Settings().GetProperty("Stages").EnumerateObject().ToDictionary(x => x.Name, x => x.Value.EnumerateArray().Select(y => new Uri(y.GetString()!)).Single());
        var running = ComposeFile.Services.Where(x => x.Value["profiles"].Items.Any(y => y.Text == profile)).ToList();

        stages.Keys.Order().ShouldBe(["Decoder", "Generator", "Text", "Upsampler"]);
        running.Count.ShouldBe(stages.Count);
        foreach (var (stage, endpoint) in stages)
        {
            endpoint.Scheme.ShouldBe("dns");
            var (name, service) = running.Single(x => NamesOf(x.Key, x.Value).Contains(endpoint.Host));
            PortOf(service["environment"]["Mesh__Listen__Grpc"].Text!).ShouldBe(endpoint.Port, name);
            service["build"]["args"]["SERVICE"].Text!.ShouldStartWith($"Mesh.{stage}");
        }
    }

    [Fact]
    public void Stages_OnGpus_HaveADeviceEach()
    {
        var stages = ComposeFile.Services.Values.Where(x => x["profiles"].Items.Any(y => y.Text == "gpu")).ToList();
        var devices = stages.Select(x => x["deploy"]["resources"]["reservations"]["devices"].Items.ShouldHaveSingleItem()).ToList();

        devices.ShouldAllBe(x => x["driver"].Text == "nvidia" && x["capabilities"].Items.Single().Text == "gpu");
        devices.Select(x => x["device_ids"].Items.ShouldHaveSingleItem().Text).ShouldBeUnique();
        stages.ShouldAllBe(x => x["environment"]["Mesh__Device__Name"].Text == "cuda:0");
    }

    [Fact]
    public void Stages_Any_CannotBeReachedFromOutside()
    {
        foreach (var (name, service) in ComposeFile.Services.Where(x => x.Key != "gateway"))
        {
            service["ports"].IsEmpty.ShouldBeTrue(name);
            (service["networks"].Items.Select(x => x.Text).Concat(service["networks"].Entries.Keys)).ShouldBe(["back"], name);
        }
        ComposeFile.Read()["networks"]["back"]["internal"].Text.ShouldBe("true");
    }

    [Fact]
    public void Gateway_Ports_AreOnTheLoopbackAndListenedOn()
    {
        var gateway = ComposeFile.Services["gateway"];
        string[] listened = [.. new[] { "Grpc", "Http" }.Select(x => PortOf(gateway["environment"][$"Mesh__Listen__{x}"].Text!).ToString(CultureInfo.InvariantCulture))];

        gateway["ports"].Items.Select(x => x.Text).ShouldBe(listened.Select(x => $"127.0.0.1:{x}:{x}"));
    }

    [Fact]
    public void Models_OfTheConfiguration_AreInTheMountedFolder()
    {
        var mount = ComposeFile.Mounts(ComposeFile.Services["generator"]).Single(x => x.Container == "/models");

        foreach (var model in Settings().GetProperty("Models").EnumerateObject())
        {
            var folder = model.Value.GetProperty("Folder").GetString()!;
            folder.ShouldStartWith("/models/");
            File.Exists(Repository.PathOf(mount.Host, folder["/models/".Length..], "model_index.json")).ShouldBeTrue(folder);
        }
    }

    [Fact]
    public void Redis_OfTheConfiguration_IsAService()
    {
        var address = Settings().GetProperty("Redis").GetProperty("Cache").GetString()!.Split(':');

        ComposeFile.Services.Keys.ShouldContain(address[0]);
        address[1].ShouldBe("6379");
    }

    private static JsonElement Settings() => JsonDocument.Parse(Tree.Read(Configuration)).RootElement.GetProperty("Mesh");

    private static int PortOf(string address) => int.Parse(address[(address.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);

    private static IEnumerable<string> NamesOf(string name, YamlPart service) => service["networks"]["back"]["aliases"].Items.Select(x => x.Text!).Prepend(name);
}
