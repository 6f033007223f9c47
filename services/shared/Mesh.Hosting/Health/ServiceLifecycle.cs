using Grpc.AspNetCore.Server;
using Grpc.HealthCheck;
using Mesh.Hosting.Configuration;
using Mesh.Hosting.Listening;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Mesh.Hosting.Health;

/// <summary>
/// Keeps grpc.health.v1 in step with <see cref="Readiness"/>, and goes down in order: readiness first, then no new calls, then running
/// calls end or are cut off, then the server stops.
/// </summary>
internal sealed class ServiceLifecycle(
    MeshService service,
    Readiness readiness,
    Drain drain,
    HealthServiceImpl health,
    EndpointDataSource endpoints,
    ServiceAddresses addresses,
    RunningCalls calls,
    TimeProvider time,
    IOptions<DrainOptions> options,
    ILogger<ServiceLifecycle> logger) : IHostedLifecycleService
{
    private const string Stopping = "shutdown";

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        // Who asks before the services are known must not take that for an answer.
        health.SetStatus("", ServingStatus.NotServing);
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        HostingLog.Listening(logger, service.Name, "gRPC", addresses.Grpc);
        if (addresses.Http is { } http) HostingLog.Listening(logger, service.Name, "HTTP", http);
        string[] names =
        [
            "",
            .. endpoints.Endpoints.Select(x => x.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName).OfType<string>()
                .Where(x => !x.StartsWith("grpc.", StringComparison.Ordinal)).Distinct(),
        ];
        readiness.Follow(missing => Publish(names, missing));
        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (drain.IsDraining) return;
        readiness.Close(Stopping, "the service is shutting down");
        HostingLog.Draining(logger, service.Name, calls.Count, options.Value.Timeout);
        if (options.Value.Delay > TimeSpan.Zero)
            await Task.Delay(options.Value.Delay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await drain.BeginAsync().ConfigureAwait(false);
        if (await calls.WaitForNoneAsync(cancellationToken).ConfigureAwait(false) is > 0 and var left) HostingLog.CutOff(logger, left);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Publish(string[] names, IReadOnlyDictionary<string, string> missing)
    {
        if (missing.Count == 0) HostingLog.Ready(logger, service.Name);
        else HostingLog.NotReady(logger, service.Name, string.Join("; ", missing.Select(x => $"{x.Key}: {x.Value}")));
        foreach (var name in names) health.SetStatus(name, missing.Count == 0 ? ServingStatus.Serving : ServingStatus.NotServing);
    }
}
