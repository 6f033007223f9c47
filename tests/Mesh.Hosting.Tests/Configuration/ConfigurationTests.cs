using System.ComponentModel.DataAnnotations;
using Mesh.Hosting.Configuration;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Mesh.Hosting.Tests.Configuration;

public sealed class ConfigurationTests
{
    [Theory]
    [InlineData("Mesh:Bacthing:MaxBatch=4", "Mesh:Bacthing: unknown key; did you mean Batching?")]
    [InlineData("Mesh:Batching:Maxbatsch=4", "Mesh:Batching:Maxbatsch: unknown key; did you mean MaxBatch?")]
    [InlineData("Mesh:Batching:Zzz=4", "Mesh:Batching:Zzz: unknown key; known are MaxBatch, MaxDelay, MaxQueue")]
    [InlineData("Mesh:Batching:MaxBatch=four", "Mesh:Batching:MaxBatch: 'four' is no whole number in range")]
    [InlineData("Mesh:Batching:MaxBatch=99999999999", "Mesh:Batching:MaxBatch: '99999999999' is no whole number in range")]
    [InlineData("Mesh:Batching:MaxBatch=0", "Mesh:Batching:MaxBatch: The field MaxBatch must be between 1 and 1024.")]
    [InlineData("Mesh:Batching=4", "Mesh:Batching: is a section, not the value '4'")]
    [InlineData("Mesh:Drain:Timeout=soon", "Mesh:Drain:Timeout: 'soon' is no duration; write hh:mm:ss, such as 00:00:30")]
    [InlineData("Mesh:Drain:Timeout=30", "Mesh:Drain:Timeout: The field Timeout must be between 00:00:00 and 01:00:00.")]
    [InlineData("Mesh:Drain:OnSignal=perhaps", "Mesh:Drain:OnSignal: 'perhaps' is no truth value; write true or false")]
    [InlineData("Mesh:Drain:Timeout:Deep=1", "Mesh:Drain:Timeout: is one value, not a section")]
    [InlineData("Mesh:Telemetry:OtlpEndpoint=localhost:4317", "Mesh:Telemetry:OtlpEndpoint: must be http://host:port or https://host:port")]
    [InlineData("Mesh:Telemetry:OtlpEndpoint=collector", "Mesh:Telemetry:OtlpEndpoint: must be http://host:port or https://host:port")]
    [InlineData("Mesh:Telemetry:Logs=xml", "Mesh:Telemetry:Logs: must be text or json")]
    [InlineData("Mesh:Fruit:Baskets:b:Apples:0:Weight=-1", "Mesh:Fruit:Baskets:b:Apples:0:Weight: The field Weight must be between 0 and 10.")]
    [InlineData("Mesh:Fruit:Baskets:b:Apples:x:Weight=1", "Mesh:Fruit:Baskets:b:Apples:x: is an element of a list; write its number from 0, or a JSON array")]
    [InlineData("Mesh:Fruit:Baskets:b:Apples=3", "Mesh:Fruit:Baskets:b:Apples: holds several values, not '3' alone")]
    [InlineData("Mesh:Fruit:Ripeness=Rotten", "Mesh:Fruit:Ripeness: 'Rotten' is no choice; write one of Green, Ripe")]
    [InlineData("Mesh:Fruit:Smallest=9", "Mesh:Fruit:Smallest: is larger than Largest")]
    [InlineData("Mesh:Tls:Certificate=/nowhere.pem", "Mesh:Tls:Key: Certificate and Key go together")]
    [InlineData("Mesh:Juice=lots", "Mesh:Juice: 'lots' is no whole number in range")]
    [InlineData("Mesh:Juicy=1", "Mesh:Juicy: unknown key; did you mean Juice?")]
    [InlineData("Mesh:Fruit:Forbidden=true", "Forbidden must be false")]
    public void Build_OneFault_NamesTheKeyAndTheCure(string setting, string fault) => FaultsOf("--" + setting).ShouldBe([fault]);

    [Fact]
    public void Build_SeveralFaults_TellsAllOfThem()
    {
        var faults = FaultsOf("--Mesh:Bacthing:MaxBatch=3", "--Mesh:Listen:Htp", "x", "--Mesh:Drain:Timeout=soon", "--Mesh:Juice=lots");

        faults.Select(x => x[..x.IndexOf(": ", StringComparison.Ordinal)]).ShouldBe(["Mesh:Bacthing", "Mesh:Juice", "Mesh:Listen:Htp", "Mesh:Drain:Timeout"], ignoreOrder: true);
    }

    [Fact]
    public void Create_ArgumentsThatAreNone_AreAllTold() =>
        Should.Throw<ConfigurationException>(() => ProbeApp.Create(["serve", "--verbose", "--Mesh:Drain:Timeout"])).Faults
            .ShouldBe([
                "serve: no such argument; there are --config FILE and --Mesh:Section:Key=VALUE",
                "--verbose: no such argument; there are --config FILE and --Mesh:Section:Key=VALUE",
                "--Mesh:Drain:Timeout: its value is missing",
            ]);

    [Fact]
    public void Create_FileIsMissingOrNoJson_SaysSo()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("bad.json"), "{ \"Mesh\": ");

        Should.Throw<ConfigurationException>(() => ProbeApp.Create(["--config", folder.File("none.json")])).Faults.ShouldBe([$"{folder.File("none.json")}: there is no such configuration file"]);
        Should.Throw<ConfigurationException>(() => ProbeApp.Create(["--config", folder.File("bad.json")])).Faults.Single().ShouldStartWith(folder.File("bad.json") + ": ");
    }

    [Fact]
    public void Create_SameKeyInFileArgumentsAndSettings_LaterOnesWin()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("mesh.json"), """{ "Mesh": { "Drain": { "Timeout": "00:00:01", "Delay": "00:00:01" }, "Peer": { "KeepAlive": "00:00:07" }, "Gateway": { "MaxCount": 3 } } }""");

        using var app = (IDisposable)ProbeApp.Create(
            ["--config", folder.File("mesh.json"), "--Mesh:Drain:Timeout=00:00:02", "--Mesh:Drain:Delay", "00:00:02"], new Dictionary<string, string?> { ["Mesh:Drain:Delay"] = "00:00:03" });

        var services = ((Microsoft.AspNetCore.Builder.WebApplication)app).Services;
        var drain = services.GetRequiredService<IOptions<DrainOptions>>().Value;
        drain.Timeout.ShouldBe(TimeSpan.FromSeconds(2));
        drain.Delay.ShouldBe(TimeSpan.FromSeconds(3));
        services.GetRequiredService<IOptions<PeerOptions>>().Value.KeepAlive.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Fact]
    public async Task Process_BadConfiguration_EndsWithTwoAndOneLineAFault()
    {
        var environment = new Dictionary<string, string> { ["Mesh__Drain__Timeout"] = "soon", ["Mesh__Nonsense"] = "1" };
        await using var process = Program.Start(environment, Program.Serve, "--Mesh:Telemetry:TraceShare=2");

        (await process.WaitForExitAsync()).ShouldBe(ServiceProgram.BadConfiguration);
        var lines = process.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBe(2, process.Errors);
        lines.ShouldContain(x => x.StartsWith("Mesh:Nonsense: unknown key", StringComparison.Ordinal));
        lines.ShouldContain(x => x.StartsWith("Mesh:Drain:Timeout: 'soon'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_ServiceThrowsWhatNobodyForesaw_TellsItWholeAndFails()
    {
        using StringWriter errors = new();

        var code = await ServiceProgram.RunAsync(Task () => throw new InvalidOperationException("a bug"), errors).DefaultTimeout();

        code.ShouldBe(ServiceProgram.Failed);
        errors.ToString().ShouldStartWith("System.InvalidOperationException: a bug");
    }

    [Fact]
    public void ReadMeshOptions_ValueCannotBeBound_NamesIt()
    {
        var builder = MeshHost.Create(ProbeApp.Service, ["--Mesh:Drain:Timeout=soon"]);

        Should.Throw<ConfigurationException>(() => builder.ReadMeshOptions<DrainOptions>(DrainOptions.SectionName)).Faults.Single().ShouldStartWith("Mesh:Drain:Timeout: 'soon'");
    }

    private static IReadOnlyList<string> FaultsOf(params string[] args) => Should.Throw<ConfigurationException>(() => ProbeApp.Create(args, configure: builder =>
    {
        builder.AddMeshOptions<BatchingOptions>(BatchingOptions.SectionName);
        builder.AddMeshOptions<FruitOptions>("Fruit").Validate(x => !x.Forbidden, "Forbidden must be false");
        builder.AddMeshOptions<RootOptions>("");
    })).Faults;

    private sealed class RootOptions
    {
        public int Juice { get; set; }
    }

    private enum Ripeness
    {
        Green,
        Ripe,
    }

    private sealed class FruitOptions : IValidatableObject
    {
        public Dictionary<string, BasketOptions> Baskets { get; set; } = [];

        public Ripeness Ripeness { get; set; }

        public int Smallest { get; set; }

        public int Largest { get; set; } = 5;

        public bool Forbidden { get; set; }

        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
        {
            if (Smallest > Largest) yield return new ValidationResult("is larger than Largest", [nameof(Smallest)]);
        }
    }

    private sealed class BasketOptions
    {
        public List<AppleOptions> Apples { get; set; } = [];
    }

    private sealed class AppleOptions
    {
        [Range(0.0, 10.0)]
        public double? Weight { get; set; }
    }
}
