using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Hosting.Health;

/// <summary>Liveness and readiness over HTTP.</summary>
internal static class HealthEndpoints
{
    /// <summary>/healthz: the process answers. /readyz: it can be asked, or what is missing (503).</summary>
    public static void Map(WebApplication app, Readiness readiness)
    {
        app.MapGet("/healthz", () => Results.Json(new Liveness("live")));
        app.MapGet("/readyz", () => readiness.Missing is { Count: > 0 } missing
            ? Results.Json(new Answer("not ready", missing), statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Json(new Answer("ready", readiness.Missing)));
    }

    private sealed record Liveness(string Status);

    private sealed record Answer(string Status, IReadOnlyDictionary<string, string> Missing);
}
