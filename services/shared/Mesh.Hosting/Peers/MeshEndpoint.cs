using System.Globalization;

namespace Mesh.Hosting.Peers;

/// <summary>How an endpoint is reached.</summary>
public enum EndpointKind
{
    /// <summary>HTTP/2 without TLS.</summary>
    Http,

    /// <summary>TLS.</summary>
    Https,

    /// <summary>A Unix socket.</summary>
    Unix,

    /// <summary>A name each of whose addresses is one replica.</summary>
    Dns,
}

/// <summary>Where a peer is: <c>http://host:port</c>, <c>https://host:port</c>, <c>unix:/path</c> or <c>dns://host:port</c>.</summary>
/// <param name="Kind">How it is reached.</param>
/// <param name="Host">A name or an address; the socket's full path for <see cref="EndpointKind.Unix"/>.</param>
/// <param name="Port">From 1 to 65535; 0 for <see cref="EndpointKind.Unix"/>.</param>
public sealed record MeshEndpoint(EndpointKind Kind, string Host, int Port)
{
    private const string UnixPrefix = "unix:";

    /// <summary>Reads an endpoint as it stands in configuration.</summary>
    /// <exception cref="FormatException">It is none; the message says what one looks like.</exception>
    public static MeshEndpoint Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (SocketPath(text) is { } path) return new(EndpointKind.Unix, path, 0);
        var split = text.IndexOf("://", StringComparison.Ordinal);
        if (split > 0 && Enum.TryParse<EndpointKind>(text[..split], ignoreCase: true, out var kind) && kind != EndpointKind.Unix
            && Uri.TryCreate("tcp" + text[split..], UriKind.Absolute, out var uri) && uri.Port is > 0 and <= 65535 && uri.AbsolutePath is "/" or "" && uri.UserInfo == "")
            return new(kind, uri.IdnHost, uri.Port);
        throw new FormatException($"'{text}' is no endpoint; write http://host:port, https://host:port, unix:/path or dns://host:port");
    }

    /// <summary>The full path of a socket, of <c>unix:/path</c> or <c>unix:///path</c>; null: the text is neither.</summary>
    internal static string? SocketPath(string text)
    {
        if (!text.StartsWith(UnixPrefix, StringComparison.Ordinal)) return null;
        var path = text[UnixPrefix.Length..];
        if (path.StartsWith("///", StringComparison.Ordinal)) path = path[2..];
        return path.StartsWith('/') && !path.StartsWith("//", StringComparison.Ordinal) ? Path.GetFullPath(path) : null;
    }

    /// <summary>As it stands in configuration.</summary>
    public override string ToString() => Kind == EndpointKind.Unix
        ? UnixPrefix + Host
        : string.Create(CultureInfo.InvariantCulture, $"{Kind.ToString().ToLowerInvariant()}://{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");
}
