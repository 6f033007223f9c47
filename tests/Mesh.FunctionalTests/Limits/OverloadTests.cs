using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.FunctionalTests.Requests;
using Mesh.Hosting.Faults;
using Mesh.Testing;
using Status = Google.Rpc.Status;

namespace Mesh.FunctionalTests.Limits;

/// <summary>More than the mesh can hold is refused at once, with the time to come again, and does not hurt those who are in.</summary>
[Collection(FlowMeshTests.Name)]
public sealed class OverloadTests(FlowMesh mesh)
{
    [Fact]
    public async Task Generate_GatewayFull_IsResourceExhaustedWithRetryInfo()
    {
        var small = await mesh.Mesh.AddGatewayAsync(("Mesh:Gateway:MaxInFlight", "2"), ("Mesh:Gateway:MaxConcurrent", "2"));
        var two = FlowMesh.Slow();
        two.Count = 2;
        using var leave = new CancellationTokenSource();
        var holding = small.Images.DrawAsync(two, cancel: leave.Token);
        await small.WhenAsync(x => x.Replicas.Single(y => y.Stage == "generator").InFlight == 2);

        var fault = await small.Images.DrawAsync(FlowMesh.Plain()).FaultAsync();

        fault.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        ShouldSayWhenToComeAgain(fault.ToStatus());
        await leave.CancelAsync();
        await holding.FaultAsync();
        await small.WhenAsync(x => x.Replicas.All(y => y.InFlight == 0) && x.Calls == 0);
        (await small.Images.DrawAsync(FlowMesh.Plain())).File().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Generate_StageQueueFull_FailsThatImageWithRetryInfoAndServesTheOthers()
    {
        await using var tight = await RunningMesh.StartAsync(new MeshLayout
        {
            Settings = [($"Mesh:Models:{FlowMesh.Other}:Folder", TinyModels.Pipeline("instaflow_1step"))],
            Replicas = new Dictionary<string, int> { ["upsampler"] = 0 },
            OwnSettings = new Dictionary<string, IReadOnlyList<(string Key, string? Value)>> { ["generator"] = [("Mesh:Batching:MaxQueue", "1"), ("Mesh:Batching:MaxBatch", "1")] },
        });
        using var leave = new CancellationTokenSource();
        var running = tight.Front.Images.DrawAsync(FlowMesh.Slow(), cancel: leave.Token);
        await tight.Front.WhenStageAsync("generator", x => x.Running == 1);
        var waiting = tight.Front.Images.DrawAsync(FlowMesh.Plain());
        await tight.Front.WhenStageAsync("generator", x => x.Waiting == 1);

        var refused = await tight.Front.Images.DrawAsync(FlowMesh.Plain());

        var status = refused.Failures.ShouldHaveSingleItem().Status;
        status.Code.ShouldBe((int)StatusCode.ResourceExhausted);
        status.Detail<ErrorInfo>().ShouldNotBeNull().Reason.ShouldBe(FaultReasons.QueueFull);
        ShouldSayWhenToComeAgain(status);
        (await tight.Front.CountersAsync("generator")).Refused.ShouldBeGreaterThan(0);
        await leave.CancelAsync();
        await running.FaultAsync();
        (await waiting).File().ShouldNotBeEmpty();
        (await tight.Front.Images.DrawAsync(FlowMesh.Plain())).File().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Generate_BehindALargeCall_IsNotStarved()
    {
        var many = FlowMesh.Plain();
        (many.Count, many.Steps) = (32, 4);
        var (left, begun) = (many.Count, new TaskCompletionSource());
        var large = ReadAsync();
        await begun.Task.DefaultTimeout();

        var small = await mesh.Images.DrawAsync(FlowMesh.Plain());

        // No more of the large call is on its way at once than MaxConcurrent, 8.
        small.File().ShouldNotBeEmpty();
        Volatile.Read(ref left).ShouldBeGreaterThan(many.Count / 4);
        await large.DefaultTimeout();

        async Task ReadAsync()
        {
            using var call = mesh.Images.Generate(many, deadline: DateTime.UtcNow + TimeoutExtensions.Default);
            while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
            {
                if (call.ResponseStream.Current.EventCase != GenerateResponse.EventOneofCase.Completed) continue;
                Interlocked.Decrement(ref left);
                begun.TrySetResult();
            }
        }
    }

    private static void ShouldSayWhenToComeAgain(Status status) =>
        status.Detail<RetryInfo>().ShouldNotBeNull().RetryDelay.ToTimeSpan().ShouldBeGreaterThan(TimeSpan.Zero);
}
