using Google.Rpc;
using Grpc.Core;
using Mesh.Gateway.Images;
using Mesh.Gateway.Tests.Fakes;
using Mesh.Hosting.Faults;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Gateway.Tests.Images;

public sealed class AdmissionTests
{
    [Fact]
    public async Task Generate_NoPermitLeft_IsRefusedAtOnceAndServedLater()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: [("Mesh:Gateway:MaxInFlight", "2"), ("Mesh:Gateway:MaxConcurrent", "2")]);
        mesh.Generator.Hold();
        var drawings = Enumerable.Range(0, 2).Select(_ => mesh.Images.DrawAsync(FakeCalls.Request())).ToList();
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 2);

        var fault = await mesh.Images.FailAsync(FakeCalls.Request());

        fault.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        fault.ToStatus().Detail<ErrorInfo>()!.Reason.ShouldBe("GATEWAY_FULL");
        fault.ToStatus().Detail<RetryInfo>()!.RetryDelay.ToTimeSpan().ShouldBeGreaterThan(TimeSpan.Zero);
        mesh.Generator.Release();
        await Task.WhenAll(drawings).DefaultTimeout();
        (await mesh.Images.DrawAsync(FakeCalls.Request())).Completed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Generate_CallerHasItsShare_IsToldSo()
    {
        await using var mesh = await FakeMesh.StartAsync(
            settings: [("Mesh:Gateway:MaxInFlight", "4"), ("Mesh:Gateway:MaxInFlightPerCaller", "1"), ("Mesh:Gateway:MaxConcurrent", "1")]);
        mesh.Generator.Hold();
        var drawing = mesh.Images.DrawAsync(FakeCalls.Request());
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 1);

        var fault = await mesh.Images.FailAsync(FakeCalls.Request());

        fault.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        fault.ToStatus().Detail<ErrorInfo>()!.Reason.ShouldBe("CALLER_FULL");
        fault.ToStatus().Detail<QuotaFailure>()!.Violations.ShouldHaveSingleItem().Subject.ShouldBe("caller:anonymous");
        // Others are not held back by it.
        var other = mesh.Gateway.Services.GetRequiredService<IImages>().GenerateAsync(FakeCalls.Request(), new Caller("other"), default).GetAsyncEnumerator();
        (await other.MoveNextAsync().DefaultTimeout()).ShouldBeTrue();
        await other.DisposeAsync().DefaultTimeout();
        mesh.Generator.Release();
        await drawing.DefaultTimeout();
    }

    [Fact]
    public async Task Generate_ManyImages_TakeOnlyWhatRunsAtOnce()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: [("Mesh:Gateway:MaxInFlight", "4"), ("Mesh:Gateway:MaxConcurrent", "3")]);
        mesh.Generator.Hold();
        var request = FakeCalls.Request();
        request.Count = 16;
        var drawing = mesh.Images.DrawAsync(request);
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 3);

        var admission = mesh.Gateway.Services.GetRequiredService<CallAdmission>();
        (admission.Out, mesh.Generator.Received).ShouldBe((3, 3));
        mesh.Generator.Release();

        (await drawing).Completed.Count.ShouldBe(16);
        await FakeCalls.UntilAsync(() => admission.Out == 0);
    }

    [Fact]
    public async Task Generate_CallersLeave_PermitsReturn()
    {
        await using var mesh = await FakeMesh.StartAsync();
        mesh.Generator.Hold();
        using var cancel = new CancellationTokenSource();
        var drawings = Enumerable.Range(0, 10).Select(_ => mesh.Images.DrawAsync(FakeCalls.Request(), cancel.Token)).ToList();
        await FakeCalls.UntilAsync(() => mesh.Generator.Running == 10);

        await cancel.CancelAsync();

        foreach (var drawing in drawings) await Should.ThrowAsync<RpcException>(() => drawing);
        var admission = mesh.Gateway.Services.GetRequiredService<CallAdmission>();
        await FakeCalls.UntilAsync(() => admission.Out == 0 && mesh.Generator.Cancelled == 10);
    }

    [Fact]
    public async Task Write_CallerReadsNothing_EndsTheCall()
    {
        await using var mesh = await FakeMesh.StartAsync(settings: ("Mesh:Gateway:SlowReader", "00:00:00.3"));
        var request = FakeCalls.Request();
        (request.Count, request.WidthPx, request.HeightPx) = (64, 512, 512);
        using var call = mesh.Images.Generate(request);
        await call.ResponseStream.MoveNext(default).DefaultTimeout();

        // 64 pictures of noise are 50 MB, far more than the connection holds back for a caller that does not read.
        await FakeCalls.UntilAsync(async () => (await mesh.Gateway.StatusAsync()).Calls == 0);

        mesh.Decoder.Received.ShouldBeLessThan(64);
        // The stream is reset in the midst of a message, so no status can say more.
        await Should.ThrowAsync<RpcException>(() => call.ReadAsync());
    }
}
