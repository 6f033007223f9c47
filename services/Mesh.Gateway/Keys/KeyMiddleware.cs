using System.Security.Claims;
using Google.Protobuf;
using Mesh.Gateway.Web;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Keys;

/// <summary>
/// Lets a request through when it bears a known key, and names its caller; also when there are no keys, and to health checks. Any other is
/// answered UNAUTHENTICATED, or 401 outside gRPC, before its body is read.
/// </summary>
internal sealed class KeyMiddleware(RequestDelegate next, ApiKeyRing ring)
{
    private const string Scheme = "Bearer";

    private static readonly PathString[] Open = ["/grpc.health.v1.Health", "/healthz", "/readyz"];

    public async Task InvokeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!ring.IsEmpty && !Open.Any(x => context.Request.Path.StartsWithSegments(x, StringComparison.Ordinal)))
        {
            if (Authenticate(context) is { } fault)
            {
                await RefuseAsync(context, fault);
                return;
            }
        }
        await next(context);
    }

    private MeshException? Authenticate(HttpContext context)
    {
        var values = context.Request.Headers.Authorization;
        if (values.Count == 0) return MeshException.Unauthenticated("A key is needed: send it as 'authorization: Bearer KEY'.");
        if (values.Count > 1 || !TryReadToken(values[0], out var token))
            return MeshException.Unauthenticated("The authorization header must be 'Bearer KEY', once.");
        if (ring.FindName(token) is not { } name) return MeshException.Unauthenticated("The key is not known.");
        context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], Scheme));
        return null;
    }

    private static bool TryReadToken(string? header, out string token)
    {
        var parts = (header ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var valid = parts.Length == 2 && parts[0].Equals(Scheme, StringComparison.OrdinalIgnoreCase);
        token = valid ? parts[1] : "";
        return valid;
    }

    private static Task RefuseAsync(HttpContext context, MeshException fault)
    {
        var status = fault.ToStatus();
        var response = context.Response;
        if (context.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) != true)
        {
            response.Headers.WWWAuthenticate = Scheme;
            return WebErrors.WriteAsync(context, status);
        }
        // An answer without a message: what else stands in the trailers stands in the headers.
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)fault.Code).ToString(System.Globalization.CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(fault.Message);
        response.Headers[FaultStatus.Trailer] = Convert.ToBase64String(status.ToByteArray());
        return Task.CompletedTask;
    }
}
