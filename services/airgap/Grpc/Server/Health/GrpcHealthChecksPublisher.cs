using System.Diagnostics.CodeAnalysis;
using Grpc.HealthCheck;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.HealthChecks.Internal;

/// <summary>Carries published health reports into the health service's table, which watches read from.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "The container creates it.")]
internal sealed class GrpcHealthChecksPublisher(HealthServiceImpl table, IOptions<GrpcHealthChecksOptions> options) : IHealthCheckPublisher
{
    public Task PublishAsync(HealthReport report, CancellationToken cancellationToken)
    {
        foreach (var mapping in options.Value.Services)
            table.SetStatus(mapping.Name, HealthStatuses.Resolve(mapping, report));

        return Task.CompletedTask;
    }
}
