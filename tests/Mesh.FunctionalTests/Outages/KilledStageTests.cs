using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.FunctionalTests.Requests;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.FunctionalTests.Outages;

/// <summary>A mesh of processes with two generators, and two gateways: one waits for a stage that is away, the other does not.</summary>
public sealed class KillableMesh : IAsyncLifetime
{
    private ProcessMesh? _mesh;
    private MeshFront? _impatient;

    public ProcessMesh Mesh => _mesh!;

    public ImageService.ImageServiceClient Patient => Mesh.Front.Images;

    public MeshFront Impatient => _impatient!;

    public async Task InitializeAsync()
    {
        _mesh = await ProcessMesh.StartAsync(new()
        {
            Settings = [.. TinyModels.FlowSettings, .. TinyModels.UpsamplerSettings],
            Replicas = new Dictionary<string, int> { ["generator"] = 2 },
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>>
            {
                ["gateway"] = [("Mesh:Stages:Wait", "00:00:50"), ("Mesh:Stages:Tries", "3"), ("Mesh:Gateway:LocalCacheBytes", "0")],
                ["gateway-2"] = [("Mesh:Stages:Wait", "00:00:00.2"), ("Mesh:Stages:Tries", "1")],
            },
        });
        _impatient = await _mesh.AddGatewayAsync(1);
    }

    public async Task DisposeAsync()
    {
        _impatient?.Dispose();
        if (_mesh is not null) await _mesh.DisposeAsync();
    }
}

/// <summary>Stages that are killed while they have work.</summary>
public sealed class KilledStageTests(KillableMesh killable) : IClassFixture<KillableMesh>
{
    private readonly ProcessMesh _mesh = killable.Mesh;

    [Theory]
    [InlineData("text", 1)]
    [InlineData("generator", 2)]
    [InlineData("decoder", 1)]
    [InlineData("upsampler", 1)]
    public async Task Kill_EveryReplicaOfAStageInMidRequest_IsToldOrMadeGoodAndTheNextSucceeds(string stage, int replicas)
    {
        var expected = (await killable.Patient.DrawAsync(Request(stage))).File();

        // A stage that stands still has the work for certain when it is killed.
        for (var i = 0; i < replicas; i++) await _mesh.HangAsync(stage, i);
        var patient = killable.Patient.DrawAsync(Request(stage));
        var impatient = killable.Impatient.Images.DrawAsync(Request(stage));
        await _mesh.Front.WhenWorkingAsync(stage);
        await killable.Impatient.WhenWorkingAsync(stage);
        for (var i = 0; i < replicas; i++) await _mesh.KillAsync(stage, i);

        var told = await StatusAsync(impatient);
        told.Code.ShouldBe((int)StatusCode.Unavailable);
        told.Detail<ErrorInfo>().ShouldNotBeNull().Metadata["stage"].ShouldBe(stage);
        told.Detail<RetryInfo>().ShouldNotBeNull();

        for (var i = 0; i < replicas; i++) _mesh.Start(stage, i);
        (await patient).File().ShouldBe(expected);
        await _mesh.ReadyAsync();
        await killable.Impatient.ReadyAsync(5);
        (await killable.Impatient.Images.DrawAsync(Request(stage))).File().ShouldBe(expected);
        await IdleAsync();
    }

    [Fact]
    public async Task Kill_OneOfTwoReplicas_LosesNoRequest()
    {
        var expected = (await killable.Patient.DrawAsync(Request(""))).File();
        await _mesh.HangAsync("generator");
        var calls = Enumerable.Range(0, 6).Select(_ => killable.Patient.DrawAsync(Request(""))).ToList();
        await _mesh.Front.WhenWorkingAsync("generator", "/generator.sock");

        await _mesh.KillAsync("generator");

        foreach (var drawn in await Task.WhenAll(calls).DefaultTimeout()) drawn.File().ShouldBe(expected);
        _mesh.Start("generator");
        await _mesh.ReadyAsync();

        // Both share the load again.
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => killable.Patient.DrawAsync(Request("")))).DefaultTimeout();
        (await _mesh.Front.CountersAsync("generator")).Completed.ShouldBeGreaterThan(0);
        await IdleAsync();
    }

    [Theory]
    [InlineData("generator", 2)]
    [InlineData("decoder", 1)]
    public async Task Kill_WhileImagesCome_EveryImageComes(string stage, int replicas)
    {
        var request = FlowMesh.Plain();
        request.Count = 16;
        var expected = await killable.Patient.DrawAsync(request);
        using var call = killable.Patient.Generate(request, deadline: DateTime.UtcNow + TimeoutExtensions.Default);
        var events = new List<GenerateResponse>();
        await ReadAsync(until: 3);

        for (var i = 0; i < replicas; i++)
        {
            await _mesh.KillAsync(stage, i);
            _mesh.Start(stage, i);
        }

        await ReadAsync(until: request.Count);
        var drawn = new Drawn(events);
        for (var i = 0; i < request.Count; i++) drawn.File(i).ShouldBe(expected.File(i));
        await _mesh.ReadyAsync();

        async Task ReadAsync(int until)
        {
            while (events.Count(x => x.Completed is not null) < until)
            {
                (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout()).ShouldBeTrue();
                events.Add(call.ResponseStream.Current);
                events[^1].Failed.ShouldBeNull();
            }
        }
    }

    private static GenerateRequest Request(string stage)
    {
        var request = FlowMesh.Plain($"a red apple for the {stage}");
        if (stage == "upsampler") request.Upscale = new() { Blending = TileBlending.None };
        return request;
    }

    private static async Task<Google.Rpc.Status> StatusAsync(Task<Drawn> call)
    {
        try
        {
            return (await call).Failures.ShouldHaveSingleItem().Status;
        }
        catch (RpcException e)
        {
            return e.ToStatus();
        }
    }

    private async Task IdleAsync()
    {
        foreach (var front in new[] { _mesh.Front, killable.Impatient })
            await front.WhenAsync(x => x.Calls == 0 && x.Replicas.All(y => y.InFlight == 0 && y.State == ReplicaState.Serving));
    }
}
