using System.Net;
using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Health;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Mesh.Hosting.Tests.Health;

public sealed class DrainTests
{
    [Fact]
    public async Task Stop_CallIsRunning_EndsItAndTakesNoNewOne()
    {
        TaskCompletionSource arrived = Source(), release = Source();
        await using var probe = await Probe.StartAsync(async _ =>
        {
            arrived.SetResult();
            await release.Task;
        });
        var running = probe.CallAsync();
        await arrived.Task.DefaultTimeout();
        using var watch = new Grpc.Health.V1.Health.HealthClient(probe.Channel).Watch(new HealthCheckRequest());
        (await watch.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();

        var stopping = probe.StopAsync();

        (await watch.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
        await DrainingAsync(probe);
        var refused = (await Should.ThrowAsync<RpcException>(probe.CallAsync())).ToStatus();
        refused.Code.ShouldBe((int)StatusCode.Unavailable);
        refused.Detail<ErrorInfo>()!.Reason.ShouldBe("DRAINING");
        refused.Detail<RetryInfo>().ShouldNotBeNull();
        stopping.IsCompleted.ShouldBeFalse();
        release.SetResult();
        (await running).Stage.ShouldBe("probe");
        await stopping.DefaultTimeout();
    }

    [Fact]
    public async Task Stop_DelayIsSet_TakesNewCallsWhileNotReady()
    {
        await using var probe = await Probe.StartAsync(settings: ("Mesh:Drain:Delay", "00:00:30"));
        var drain = probe.Services.GetRequiredService<Drain>();
        var health = new Grpc.Health.V1.Health.HealthClient(probe.Channel);
        using var watch = health.Watch(new HealthCheckRequest());
        (await watch.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();

        using var cut = new CancellationTokenSource();
        var stopping = probe.StopAsync(cut.Token);
        (await watch.ResponseStream.MoveNext().DefaultTimeout()).ShouldBeTrue();

        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
        drain.IsDraining.ShouldBeFalse();
        (await probe.CallAsync()).Stage.ShouldBe("probe");
        await cut.CancelAsync();
        await stopping.DefaultTimeout();
        drain.IsDraining.ShouldBeTrue();
    }

    [Fact]
    public async Task Stop_CallDoesNotEnd_IsCutOffAfterTheTimeout()
    {
        TaskCompletionSource arrived = Source(), ended = Source();
        await using var probe = await Probe.StartAsync(async context =>
        {
            using var _ = context.CancellationToken.Register(ended.SetResult);
            arrived.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }, ("Mesh:Drain:Timeout", "00:00:00.2"));
        var running = probe.CallAsync();
        await arrived.Task.DefaultTimeout();

        await probe.StopAsync().DefaultTimeout();

        await ended.Task.DefaultTimeout();
        (await Should.ThrowAsync<RpcException>(running)).StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal, StatusCode.Cancelled);
        probe.Logs.Lines.ShouldContain(x => x.Message == "1 calls did not end in time and are cut off");
    }

    [Fact]
    public async Task Stop_HttpRequestIsRunning_EndsItAndTurnsNewOnesAway()
    {
        TaskCompletionSource arrived = Source(), release = Source();
        await using var probe = await Probe.StartAsync();
        probe.App.MapGet("/slow", async () =>
        {
            arrived.SetResult();
            await release.Task;
            return "done";
        });
        var running = probe.Http.GetStringAsync(new Uri("/slow", UriKind.Relative));
        await arrived.Task.DefaultTimeout();

        var stopping = probe.StopAsync();

        await DrainingAsync(probe);
        using var refused = await probe.Http.GetAsync(new Uri("/slow", UriKind.Relative)).DefaultTimeout();
        refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        refused.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
        using var ready = await probe.Http.GetAsync(new Uri("/readyz", UriKind.Relative)).DefaultTimeout();
        (await ready.Content.ReadAsStringAsync()).ShouldBe("""{"status":"not ready","missing":{"shutdown":"the service is shutting down"}}""");
        stopping.IsCompleted.ShouldBeFalse();
        release.SetResult();
        (await running.DefaultTimeout()).ShouldBe("done");
        await stopping.DefaultTimeout();
    }

    [Fact]
    public async Task Stop_Twice_DoesNothingMore()
    {
        await using var probe = await Probe.StartAsync(settings: ("Mesh:Drain:OnSignal", "false"));

        await probe.StopAsync().DefaultTimeout();
        await probe.StopAsync().DefaultTimeout();

        probe.Services.GetRequiredService<Readiness>().Missing.Keys.ShouldBe(["shutdown"]);
    }

    [Fact]
    public async Task Process_Sigterm_EndsWithZero()
    {
        await using var process = Program.Start(null, Program.Serve, "--Mesh:Telemetry:Logs=json");
        var ready = await LineAsync(process, "probe is ready");
        using var json = JsonDocument.Parse(ready);
        json.RootElement.GetProperty("State").GetProperty("Service").GetString().ShouldBe("probe");

        await ChildProgram.RunAsync("kill", ["-TERM", $"{process.Id}"]).DefaultTimeout();

        (await process.WaitForExitAsync()).ShouldBe(ServiceProgram.Ok);
        process.Errors.ShouldBeEmpty();
    }

    private static async Task<string> LineAsync(ChildProgram process, string part)
    {
        while (true)
        {
            if (await process.ReadLineAsync() is var line && line.Contains(part, StringComparison.Ordinal)) return line;
        }
    }

    private static async Task DrainingAsync(Probe probe)
    {
        var draining = Source();
        using var _ = probe.Services.GetRequiredService<Drain>().Token.Register(draining.SetResult);
        await draining.Task.DefaultTimeout();
    }

    private static TaskCompletionSource Source() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
