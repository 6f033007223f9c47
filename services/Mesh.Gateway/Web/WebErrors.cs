using System.Globalization;
using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Mesh.Hosting.Faults;
using Status = Google.Rpc.Status;

namespace Mesh.Gateway.Web;

/// <summary>A fault as OpenAI's clients know it.</summary>
/// <param name="Message">For developers.</param>
/// <param name="Type">Who is at fault: invalid_request_error, rate_limit_error or server_error.</param>
/// <param name="Param">The field, by its name in JSON; null where no field is to blame.</param>
/// <param name="Code">The reason, in lower case.</param>
internal sealed record WebError(string Message, string Type, string? Param, string? Code);

/// <summary>The body of an error.</summary>
internal sealed record WebErrorBody(WebError Error);

/// <summary>From google.rpc.Status to HTTP.</summary>
internal static class WebErrors
{
    /// <summary>A client has hung up; nobody reads the answer, but logs show it.</summary>
    public const int ClientClosedRequest = 499;

    private const string InvalidRequest = "invalid_request_error";

    // Fields that are named otherwise in JSON.
    private static readonly Dictionary<string, string> Names = new()
    {
        ["count"] = "n",
        ["width_px"] = "size",
        ["height_px"] = "size",
        ["seeds"] = "seed",
        ["quality"] = "output_compression",
        ["format"] = "output_format",
        ["preview"] = "partial_images",
    };

    /// <summary>Answers with the status's HTTP code, OpenAI's error body and, where waiting helps, when to come again.</summary>
    public static Task WriteAsync(HttpContext context, Status status)
    {
        var response = context.Response;
        response.StatusCode = HttpCode((StatusCode)status.Code);
        if (status.Detail<RetryInfo>()?.RetryDelay is { } delay)
        {
            var milliseconds = Math.Max(0, Math.Ceiling(delay.ToTimeSpan().TotalMilliseconds));
            response.Headers.RetryAfter = Math.Ceiling(milliseconds / 1000).ToString(CultureInfo.InvariantCulture);
            response.Headers["retry-after-ms"] = milliseconds.ToString(CultureInfo.InvariantCulture);
        }
        return WriteAsync(context, response.StatusCode, ToError(status));
    }

    /// <summary>Answers with an error that has no status of gRPC.</summary>
    public static async Task WriteAsync(HttpContext context, int code, WebError error)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, new WebErrorBody(error), WebJson.Options, context.RequestAborted);
    }

    /// <summary>An error of the request that HTTP itself finds.</summary>
    public static WebError Invalid(string message, string? param, string code) => new(message, InvalidRequest, param, code);

    /// <summary>The error that stands for a status.</summary>
    public static WebError ToError(Status status)
    {
        var reason = status.Detail<ErrorInfo>()?.Reason.ToLowerInvariant();
        return (StatusCode)status.Code switch
        {
            StatusCode.InvalidArgument => new WebError(Rename(status), InvalidRequest, FirstField(status), reason),
            StatusCode.NotFound => new WebError(status.Message, InvalidRequest, status.Detail<ResourceInfo>()?.ResourceType, reason),
            StatusCode.Unauthenticated => new WebError(status.Message, InvalidRequest, null, "invalid_api_key"),
            StatusCode.ResourceExhausted => new WebError(status.Message, "rate_limit_error", null, reason),
            var code => new WebError(status.Message, HttpCode(code) < 500 ? InvalidRequest : "server_error", null, reason),
        };
    }

    /// <summary>The HTTP code of a status code, as google.rpc.Code documents it.</summary>
    public static int HttpCode(StatusCode code) => code switch
    {
        StatusCode.OK => StatusCodes.Status200OK,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => StatusCodes.Status400BadRequest,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists or StatusCode.Aborted => StatusCodes.Status409Conflict,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Cancelled => ClientClosedRequest,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static string? FirstField(Status status) =>
        status.Detail<BadRequest>()?.FieldViolations.FirstOrDefault() is { } first ? NameInJson(first.Field) : null;

    private static string Rename(Status status) => status.Detail<BadRequest>() is { FieldViolations.Count: > 0 } bad
        ? string.Join("; ", bad.FieldViolations.Select(x => $"{NameInJson(x.Field)}: {x.Description}"))
        : status.Message;

    // Only the first part of a path is ours to rename: loras[0].weight is the same in both.
    private static string NameInJson(string field)
    {
        var end = field.IndexOfAny(['.', '[']);
        var first = end < 0 ? field : field[..end];
        return Names.TryGetValue(first, out var name) ? name : field;
    }
}
