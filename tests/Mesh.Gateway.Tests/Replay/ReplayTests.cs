using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Gateway.Tests.Replay;

public sealed class ReplayTests
{
    private const string Id = "123e4567-e89b-42d3-a456-426614174000";

    [Fact]
    public async Task Generate_SameIdAgain_GivesTheSameEventsWithoutWork()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple", Count = 2 };
        var first = await mesh.Images.DrawAsync(request);

        var second = await mesh.Images.DrawAsync(request);

        (first.Accepted.Replayed, second.Accepted.Replayed, second.Accepted.RequestId).ShouldBe((false, true, Id));
        second.Accepted.Seeds.ShouldBe(first.Accepted.Seeds);
        second.File(0).ShouldBe(first.File(0));
        second.File(1).ShouldBe(first.File(1));
        second.Completed.ShouldBe(first.Completed);
        second.Events.Select(x => x.Sequence).ShouldBe(first.Events.Select(x => x.Sequence));
        mesh.Generator.Received.ShouldBe(2);
        // The id is a UUID, however its letters are written.
        (await mesh.Images.DrawAsync(new GenerateRequest(request) { RequestId = Id.ToUpperInvariant() })).Accepted.Replayed.ShouldBeTrue();
    }

    [Fact]
    public async Task Generate_SameIdMeanwhile_JoinsTheFirst()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        var first = mesh.Images.DrawAsync(request);
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 1);
        using var second = mesh.Images.Generate(request);
        await second.ResponseStream.MoveNext(default).DefaultTimeout();
        second.ResponseStream.Current.Accepted.Replayed.ShouldBeTrue();

        mesh.Generator.Release();

        var drawn = await second.ReadAsync();
        drawn.File().ShouldBe((await first).File());
        mesh.Generator.Received.ShouldBe(1);
    }

    [Fact]
    public async Task Generate_FirstLeavesSecondStays_WorkGoesOn()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        using var cancel = new CancellationTokenSource();
        var first = mesh.Images.DrawAsync(request, cancel.Token);
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 1);
        using var second = mesh.Images.Generate(request);
        await second.ResponseStream.MoveNext(default).DefaultTimeout();

        await cancel.CancelAsync();
        await Should.ThrowAsync<RpcException>(() => first);
        mesh.Generator.Release();

        (await second.ReadAsync()).Completed.Count.ShouldBe(1);
        mesh.Generator.Cancelled.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_AllLeave_WorkEndsAndTheNextBegins()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        using var cancel = new CancellationTokenSource();
        var first = mesh.Images.DrawAsync(request, cancel.Token);
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 1);

        await cancel.CancelAsync();

        await Should.ThrowAsync<RpcException>(() => first);
        await FakeCalls.UntilAsync(() => mesh.Generator.Cancelled == 1);
        mesh.Generator.Release();
        (await mesh.Images.DrawAsync(request)).Accepted.Replayed.ShouldBeFalse();
    }

    [Fact]
    public async Task Generate_SameIdOtherRequest_IsRefused()
    {
        await using var mesh = await FakeMesh.StartAsync();
        await mesh.Images.DrawAsync(new GenerateRequest { RequestId = Id, Prompt = "a red apple" });

        var fault = await mesh.Images.FailAsync(new GenerateRequest { RequestId = Id, Prompt = "a green apple" });

        fault.StatusCode.ShouldBe(StatusCode.AlreadyExists);
        fault.ToStatus().Detail<ErrorInfo>()!.Reason.ShouldBe("REQUEST_ID_REUSED");
        fault.ToStatus().Detail<BadRequest>()!.FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("request_id");
    }

    [Fact]
    public async Task Generate_Failed_IsNotReplayed()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.RefuseNext(StatusCode.Internal, "once");
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        (await mesh.Images.DrawAsync(request)).Failed.Count.ShouldBe(1);

        var second = await mesh.Images.DrawAsync(request);

        (second.Accepted.Replayed, second.Completed.Count).ShouldBe((false, 1));
    }

    [Fact]
    public async Task Generate_OtherCallersId_IsAnotherCall()
    {
        await using var mesh = await FakeMesh.StartAsync();
        var images = mesh.Gateway.Services.GetRequiredService<IImages>();
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        await mesh.Images.DrawAsync(request);

        var replayed = new List<bool>();
        await foreach (var item in images.GenerateAsync(request, new Caller("studio"), default))
        {
            if (item.Accepted is { } accepted) replayed.Add(accepted.Replayed);
        }

        replayed.ShouldBe([false]);
    }

    [Fact]
    public async Task Generate_OnAnotherGateway_ComesFromRedis()
    {
        await using var redis = await RedisServer.StartAsync();
        (string, string)[] settings = [("Mesh:Redis:Cache", redis.Connection), ("Mesh:Redis:Timeout", "00:00:30")];
        await using var mesh = await FakeMesh.StartAsync(settings: settings);
        var second = await mesh.AddGatewayAsync(settings: settings);
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple" };
        var first = await mesh.Images.DrawAsync(request);

        var again = await second.Images.DrawAsync(request);

        again.Accepted.Replayed.ShouldBeTrue();
        again.File().ShouldBe(first.File());
        mesh.Generator.Received.ShouldBe(1);
        (await second.Images.FailAsync(new GenerateRequest { RequestId = Id, Prompt = "a green apple" })).StatusCode.ShouldBe(StatusCode.AlreadyExists);
    }

    [Fact]
    public async Task Generate_ResultTooLargeToKeep_IsDrawnAgain()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Gateway:ReplayBytes", "8000"));
        var request = new GenerateRequest { RequestId = Id, Prompt = "a red apple", Seeds = { 7 } };
        var first = await mesh.Images.DrawAsync(request);

        var second = await mesh.Images.DrawAsync(request);

        second.Accepted.Replayed.ShouldBeFalse();
        second.File().ShouldBe(first.File());
    }
}
