using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Generator;
using Mesh.Hosting;
using Mesh.OneProcess;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;

namespace Mesh.FunctionalTests;

/// <summary>The same request gives the same file, byte for byte, however the mesh stands and whatever else it does.</summary>
public sealed class SameBytesTests : IAsyncLifetime
{
    private const string Prompt = "3d emoji of a red apple";
    private const ulong Seed = 7;

    private static readonly string[] Strangers =
    [
        "3d emoji of a green frog", "3d emoji of a house", "3d emoji of a banana", "3d emoji of a blue car",
        "3d emoji of a cat", "3d emoji of the moon", "3d emoji of a tree", "3d emoji of a clock",
    ];

    private readonly TempFolder _folder = new();
    private WebApplication _second = null!;
    private RunningMesh _mesh = null!;
    private MeshCalls _calls = null!;

    public async Task InitializeAsync()
    {
        var endpoint = "unix:" + _folder.File("second.sock");
        _second = GeneratorApp.Create([], new Dictionary<string, string?>(Emoji()) { ["Mesh:Listen:Grpc"] = endpoint });
        await _second.StartAsync().DefaultTimeout();
        _mesh = await RunningMesh.StartAsync(("Mesh:Stages:Generator:1", endpoint));
        _calls = new(_mesh.Address);
        var operations = new GatewayService.GatewayServiceClient(_calls.Invoker);
        using var limit = new CancellationTokenSource(TimeoutExtensions.Default);
        while (!(await operations.GetStatusAsync(new GetStatusRequest())).Replicas.All(x => x.State == ReplicaState.Serving || x.Stage == "upsampler")) await Task.Delay(20, limit.Token);
    }

    public async Task DisposeAsync()
    {
        _calls.Dispose();
        await _mesh.DisposeAsync();
        await _second.DisposeAsync().DefaultTimeout();
        _folder.Dispose();
    }

    [Fact]
    public async Task Generate_EitherReplicaAndAnyBatch_SameBytes()
    {
        var alone = await _calls.DrawAsync(Prompt, Seed);
        alone.Completed.Generate.BatchSize.ShouldBe(1);
        var strangers = new Dictionary<string, byte[]>();
        foreach (var prompt in Strangers) strangers[prompt] = (await _calls.DrawAsync(prompt, Seed)).File;

        // One after the other they take turns on the replicas, and the prompt is in the cache by now.
        for (var i = 0; i < 4; i++) (await _calls.DrawAsync(Prompt, Seed)).File.ShouldBe(alone.File);
        var replicas = (await new GatewayService.GatewayServiceClient(_calls.Invoker).GetStatusAsync(new GetStatusRequest())).Replicas.Where(x => x.Stage == "generator").ToList();
        replicas.ShouldAllBe(x => x.Info.Statistics.Completed > 0);

        var among = Strangers.Concat(Strangers).Append(Prompt).Select(async prompt => (Prompt: prompt, Picture: await _calls.DrawAsync(prompt, Seed))).ToList();
        var drawn = await Task.WhenAll(among).DefaultTimeout();
        foreach (var (prompt, picture) in drawn) picture.File.ShouldBe(prompt == Prompt ? alone.File : strangers[prompt], prompt);
        drawn.ShouldContain(x => x.Picture.Completed.Generate.BatchSize > 1);
    }

    [Fact]
    public async Task Generate_InOneProcess_SameBytes()
    {
        var split = await _calls.DrawAsync(Prompt, Seed);

        await using var one = OneProcessMesh.Create([], new Dictionary<string, string?>(Emoji()) { ["Mesh:Listen:Grpc"] = "127.0.0.1:0", ["Mesh:Listen:Http"] = "" });
        await one.StartAsync(CancellationToken.None).DefaultTimeout();
        using var calls = new MeshCalls(new Uri(one.Gateway.Addresses().Grpc).Authority);

        var together = await calls.DrawAsync(Prompt, Seed);

        together.File.ShouldBe(split.File);
        together.Completed.Reproducibility.ShouldBe(split.Completed.Reproducibility);
        together.Completed.Model.ShouldBe(split.Completed.Model);
        split.Completed.Reproducibility.DeviceKind.ShouldStartWith("cpu");
    }

    [Fact]
    public async Task Generate_CountOf_SameAsOneByOne()
    {
        var all = await _calls.DrawAsync(new GenerateRequest { Prompt = Prompt, Count = 4, Seeds = { Seed } });

        for (var i = 0; i < 4; i++) (await _calls.DrawAsync(Prompt, Seed + (ulong)i)).File.ShouldBe(all[i].File);
    }

    private static Dictionary<string, string?> Emoji() => new()
    {
        ["Mesh:Device:Name"] = "cpu",
        [$"Mesh:Models:{RunningMesh.Emoji}:Folder"] = Repository.PathOf("deploy", "models", "emoji"),
        ["Mesh:DefaultModel"] = RunningMesh.Emoji,
    };
}
