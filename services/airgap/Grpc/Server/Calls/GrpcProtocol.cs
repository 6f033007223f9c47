using System.Buffers;
using System.Globalization;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The wire protocol of gRPC over HTTP/2: names, codings and answers.</summary>
internal static class GrpcProtocol
{
    internal const string ContentType = "application/grpc";
    internal const string IdentityEncoding = "identity";

    /// <summary>Response metadata under this name chooses the response's encoding and is not sent.</summary>
    internal const string EncodingRequestKey = "grpc-internal-encoding-request";

    internal const int NoError = 0;
    internal const int Cancel = 8;

    /// <summary>Longest deadline, as other implementations have it: 99,999,999 seconds.</summary>
    private const long MaxTimeoutTicks = 99_999_999 * TimeSpan.TicksPerSecond;

    private static readonly SearchValues<char> UnescapedInMessage = SearchValues.Create(
        " !\"#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    private static readonly string[] StatusCodes = [.. Enumerable.Range(0, 17).Select(code => code.ToString(CultureInfo.InvariantCulture))];

    internal static bool IsGrpcContentType(string? contentType)
        => contentType is not null
            && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
            && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is ';' or '+');

    internal static bool IsCorsPreflight(HttpRequest request)
        => HttpMethods.IsOptions(request.Method) && request.Headers.ContainsKey("Access-Control-Request-Method");

    /// <summary>Reads a grpc-timeout. False for what is malformed or not above zero: such a header is ignored.</summary>
    internal static bool TryParseTimeout(string value, out TimeSpan timeout)
    {
        timeout = TimeSpan.Zero;
        if (value.Length < 2 || !int.TryParse(value.AsSpan(0, value.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var amount))
            return false;

        var ticks = value[^1] switch
        {
            'H' => amount * TimeSpan.TicksPerHour,
            'M' => amount * TimeSpan.TicksPerMinute,
            'S' => amount * TimeSpan.TicksPerSecond,
            'm' => amount * TimeSpan.TicksPerMillisecond,
            'u' => amount * TimeSpan.TicksPerMicrosecond,
            'n' => amount / TimeSpan.NanosecondsPerTick,
            _ => 0,
        };
        timeout = TimeSpan.FromTicks(Math.Min(ticks, MaxTimeoutTicks));
        return ticks > 0;
    }

    /// <summary>grpc-message: UTF-8, with what is not printable ASCII, and the percent sign, as %XX.</summary>
    internal static string PercentEncode(string message)
    {
        if (!message.AsSpan().ContainsAnyExcept(UnescapedInMessage))
            return message;

        var escaped = new StringBuilder(message.Length + 16);
        foreach (var octet in Encoding.UTF8.GetBytes(message))
        {
            if (octet is >= 0x20 and <= 0x7E and not (byte)'%')
                escaped.Append((char)octet);
            else
                escaped.Append('%').Append(octet.ToString("X2", CultureInfo.InvariantCulture));
        }

        return escaped.ToString();
    }

    /// <summary>A status goes into the trailers, or into the headers while none have been sent ("Trailers-Only").</summary>
    internal static IHeaderDictionary TrailersOf(HttpResponse response)
    {
        if (!response.HasStarted)
            return response.Headers;

        var trailers = response.HttpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers;
        return trailers is { IsReadOnly: false }
            ? trailers
            : throw new InvalidOperationException("Trailers are not supported for this response. The server may not support gRPC.");
    }

    internal static void SetStatus(IHeaderDictionary destination, Status status)
    {
        var code = (int)status.StatusCode;
        destination.GrpcStatus = (uint)code < (uint)StatusCodes.Length ? StatusCodes[code] : code.ToString(CultureInfo.InvariantCulture);
        if (!string.IsNullOrEmpty(status.Detail))
            destination.GrpcMessage = PercentEncode(status.Detail);
        else if (destination.GrpcMessage.Count != 0)
            destination.GrpcMessage = default;
    }

    /// <summary>Refuses a request that is no gRPC call, with an HTTP status that says why.</summary>
    internal static void RefuseRequest(HttpResponse response, int httpStatus, string message)
    {
        response.StatusCode = httpStatus;
        SetStatus(response.Headers, new Status(StatusCode.Internal, message));
    }
}
