using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Grpc.Core;

namespace Grpc.Net.Client.Calls;

/// <summary>How gRPC maps onto HTTP/2: headers, timeouts, statuses.</summary>
internal static class GrpcProtocol
{
    internal const string StatusHeader = "grpc-status";
    internal const string MessageHeader = "grpc-message";
    internal const string EncodingHeader = "grpc-encoding";
    internal const string AcceptEncodingHeader = "grpc-accept-encoding";
    internal const string TimeoutHeader = "grpc-timeout";
    internal const string PushbackHeader = "grpc-retry-pushback-ms";
    internal const string PreviousAttemptsHeader = "grpc-previous-rpc-attempts";
    internal const string ContentType = "application/grpc";
    internal const string Identity = "identity";

    private const long MaxTimeoutValue = 100_000_000 - 1;

    internal static readonly string UserAgent =
        $"grpc-dotnet/{VersionInfo.CurrentVersion} (.NET {Environment.Version}; CLR {Environment.Version}; net10.0; {OsName()}; {RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()})";

    private static string OsName() => OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "osx" : "linux";

    /// <summary>At most eight digits and a unit, rounded up so that the server's deadline is not the earlier one.</summary>
    public static string EncodeTimeout(TimeSpan timeout)
    {
        ReadOnlySpan<(long Ticks, char Unit)> units =
        [
            (TimeSpan.TicksPerMillisecond, 'm'), (TimeSpan.TicksPerSecond, 'S'), (TimeSpan.TicksPerMinute, 'M'), (TimeSpan.TicksPerHour, 'H'),
        ];
        if (timeout <= TimeSpan.Zero) return "1n";
        foreach (var (ticks, unit) in units)
        {
            var value = ((timeout.Ticks - 1) / ticks) + 1;
            if (value <= MaxTimeoutValue) return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
        }
        return string.Create(CultureInfo.InvariantCulture, $"{MaxTimeoutValue}H");
    }

    /// <summary>Null where the response's head lets the call go on; else how it ended.</summary>
    public static Status? CheckHead(HttpResponseMessage response)
    {
        // A status among the headers is a response without a body; it counts before anything else.
        if (TryGetStatus(response.Headers.NonValidated, out var status)) return status;
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return new Status(MapHttpStatus((int)response.StatusCode), $"Bad gRPC response. HTTP status code: {(int)response.StatusCode}");
        }
        if (!response.Content.Headers.NonValidated.TryGetValues("Content-Type", out var types))
        {
            return new Status(StatusCode.Cancelled, "Bad gRPC response. Response did not have a content-type header.");
        }
        var type = types.ToString();
        return IsGrpc(type) ? null : new Status(StatusCode.Cancelled, $"Bad gRPC response. Invalid content-type value: {type}");
    }

    /// <summary>The status at the response's end, its body read.</summary>
    public static Status GetTrailingStatus(HttpResponseMessage response) =>
        TryGetStatus(response.TrailingHeaders.NonValidated, out var status)
            ? status.Value
            : new Status(StatusCode.Cancelled, "No grpc-status found on response.");

    public static Metadata ToMetadata(HttpHeaders headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers.NonValidated)
        {
            if (IsReserved(name)) continue;
            var key = name.ToLowerInvariant();
            foreach (var value in values)
            {
                if (Metadata.Entry.HasBinarySuffix(key)) AddBinary(metadata, key, value);
                else metadata.Add(Metadata.Entry.FromWire(key, value));
            }
        }
        return metadata;
    }

    public static string? GetHeader(HttpHeaders headers, string name) => headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>As the gRPC specification maps the status of a response that is no gRPC response.</summary>
    public static StatusCode MapHttpStatus(int status) => status switch
    {
        >= 100 and < 200 or 400 or 431 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    /// <summary>What a failure of the transport means: the peer's RST_STREAM or GOAWAY code where there is one; a lost or refused connection is Unavailable.</summary>
    public static StatusCode MapException(Exception exception)
    {
        var transport = false;
        for (var current = exception; current is not null; current = current.InnerException)
        {
            if (current is HttpProtocolException protocol && MapHttp2Error(protocol.ErrorCode) is { } code) return code;
            transport |= current is SocketException or IOException;
        }
        return transport ? StatusCode.Unavailable : StatusCode.Internal;
    }

    public static string Describe(Exception exception)
    {
        var text = $"{exception.GetType().Name}: {exception.Message}";
        for (var inner = exception.InnerException; inner is not null; inner = inner.InnerException) text += $" {inner.GetType().Name}: {inner.Message}";
        return text;
    }

    private static StatusCode? MapHttp2Error(long code) => code switch
    {
        0x0 or 0x1 or 0x2 or 0x3 or 0x4 or 0x6 or 0x9 or 0xa => StatusCode.Internal,
        0x7 => StatusCode.Unavailable,
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted,
        0xc => StatusCode.PermissionDenied,
        _ => null,
    };

    private static bool TryGetStatus(HttpHeadersNonValidated headers, [NotNullWhen(true)] out Status? status)
    {
        status = null;
        if (!headers.TryGetValues(StatusHeader, out var values)) return false;
        var text = values.ToString();
        if (text == "0" && !headers.Contains(MessageHeader))
        {
            status = Status.DefaultSuccess;
            return true;
        }
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code))
        {
            status = new Status(StatusCode.Cancelled, "Unexpected grpc-status value: " + text);
            return true;
        }
        var detail = headers.TryGetValues(MessageHeader, out var messages) ? Uri.UnescapeDataString(messages.ToString()) : "";
        status = new Status((StatusCode)code, detail);
        return true;
    }

    private static bool IsGrpc(string type) =>
        type.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) && (type.Length == ContentType.Length || type[ContentType.Length] is ';' or '+');

    private static bool IsReserved(string name) =>
        name.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase)
        && (name.Equals(StatusHeader, StringComparison.OrdinalIgnoreCase)
            || name.Equals(MessageHeader, StringComparison.OrdinalIgnoreCase)
            || name.Equals(EncodingHeader, StringComparison.OrdinalIgnoreCase)
            || name.Equals(AcceptEncodingHeader, StringComparison.OrdinalIgnoreCase)
            || name.Equals(TimeoutHeader, StringComparison.OrdinalIgnoreCase));

    /// <summary>Senders may join several values with commas and leave the padding out.</summary>
    private static void AddBinary(Metadata metadata, string key, string value)
    {
        foreach (var part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            metadata.Add(Metadata.Entry.FromWire(key, Convert.FromBase64String(part.PadRight((part.Length + 3) / 4 * 4, '='))));
        }
    }
}
