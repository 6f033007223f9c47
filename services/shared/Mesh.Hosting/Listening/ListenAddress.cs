using System.Globalization;
using System.Net;
using Mesh.Hosting.Peers;

namespace Mesh.Hosting.Listening;

/// <summary>Where a service listens, read from configuration.</summary>
/// <param name="Address">Null for a Unix socket.</param>
/// <param name="Port">0: any free one.</param>
/// <param name="Path">Of a Unix socket; else null.</param>
/// <param name="Secure">Whether TLS is asked for; null: where a certificate is configured.</param>
internal sealed record ListenAddress(IPAddress? Address, int Port, string? Path, bool? Secure)
{
    // sockaddr_un holds 108 bytes, the last of them 0.
    private const int MaxPathBytes = 107;

    /// <summary>Whether only this machine can reach it.</summary>
    public bool IsLocal => Address is null || IPAddress.IsLoopback(Address);

    /// <exception cref="FormatException">The text is no address; the message says what one looks like.</exception>
    public static ListenAddress Parse(string text)
    {
        if (MeshEndpoint.SocketPath(text) is { } path) return AtPath(path);
        bool? secure = text.StartsWith("https://", StringComparison.Ordinal) ? true : text.StartsWith("http://", StringComparison.Ordinal) ? false : null;
        var rest = secure is { } s ? text[(s ? 8 : 7)..].TrimEnd('/') : text;
        var colon = rest.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port)) throw Bad(text);
        var address = rest[..colon] switch
        {
            "localhost" => IPAddress.Loopback,
            "*" => IPAddress.IPv6Any,
            var host when host.StartsWith('[') == host.Contains(':', StringComparison.Ordinal) && IPAddress.TryParse(host.Trim('[', ']'), out var parsed) => parsed,
            _ => throw Bad(text),
        };
        return new(address, port, null, secure);
    }

    private static ListenAddress AtPath(string path)
    {
        var bytes = System.Text.Encoding.UTF8.GetByteCount(path);
        if (bytes > MaxPathBytes) throw new FormatException($"'{path}' has {bytes} bytes; a socket's path has {MaxPathBytes} at most");
        return new(null, 0, path, null);
    }

    private static FormatException Bad(string text) => new($"'{text}' is no address; write host:port with an IP address, localhost or *, or unix:/path");
}
