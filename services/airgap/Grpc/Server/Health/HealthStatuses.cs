using Microsoft.Extensions.Diagnostics.HealthChecks;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Grpc.AspNetCore.HealthChecks.Internal;

/// <summary>Makes one status of a report.</summary>
internal static class HealthStatuses
{
    /// <summary>NOT_SERVING with one unhealthy result that counts, SERVING with others only, UNKNOWN with none.</summary>
    internal static ServingStatus Resolve(ServiceMapping mapping, HealthReport report)
    {
        var status = ServingStatus.Unknown;
        foreach (var (name, entry) in report.Entries)
        {
            if (!Counts(mapping, name, entry))
                continue;

            if (entry.Status == HealthStatus.Unhealthy)
                return ServingStatus.NotServing;

            status = ServingStatus.Serving;
        }

        return status;
    }

    private static bool Counts(ServiceMapping mapping, string name, HealthReportEntry entry)
    {
        if (mapping.HealthCheckPredicate is { } picks && !picks(new HealthCheckMapContext(name, entry.Tags)))
            return false;

        return mapping.Predicate is not { } takes
            || takes(new HealthResult(name, entry.Tags, entry.Status, entry.Description, entry.Duration, entry.Exception, entry.Data));
    }
}
