using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Cli.Up;

/// <summary>Where the gateway listens: an address of this machine and a port.</summary>
internal sealed record ListenPlace(IPAddress Address, int Port)
{
    /// <summary>Reads <c>PORT</c> (on the loopback), <c>ADDRESS:PORT</c>, <c>localhost:PORT</c> or <c>*:PORT</c>.</summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static ListenPlace Parse(string text, string option)
    {
        // A configuration file may say the scheme as well; whether there is TLS, its certificate says.
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        if (scheme >= 0) text = text[(scheme + 3)..].TrimEnd('/');
        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? "localhost" : text[..colon];
        IPAddress? address = host switch
        {
            "localhost" => IPAddress.Loopback,
            "*" => IPAddress.IPv6Any,
            _ => IPAddress.TryParse(host.Trim('[', ']'), out var parsed) ? parsed : null,
        };
        return address is not null && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0
            ? new ListenPlace(address, port)
            : throw new ArgumentException($"{option} {text}: write PORT or ADDRESS:PORT, with a port from 1 to 65535");
    }

    /// <summary>As the services' configuration writes it.</summary>
    public override string ToString() => new IPEndPoint(Address, Port).ToString();

    /// <summary>As a client on this machine writes it.</summary>
    public string ForClient(bool isSecure)
    {
        var reachable = Address.Equals(IPAddress.Any) || Address.Equals(IPAddress.IPv6Any) ? IPAddress.Loopback : Address;
        return $"{(isSecure ? "https" : "http")}://{new IPEndPoint(reachable, Port)}";
    }

    /// <summary>Waits a little for the port: a mesh that has just ended may still hold it.</summary>
    /// <exception cref="IOException">Another program listens there.</exception>
    public async Task WaitFreeAsync(string option, TimeSpan limit, CancellationToken cancel)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var fault = Probe();
            if (fault is null) return;
            if (fault != SocketError.AddressAlreadyInUse) throw new IOException($"cannot listen on {this} ({fault}); choose another with {option}");
            if (TimeProvider.System.GetElapsedTime(start) > limit) throw new IOException($"{this} is taken by another program; choose another port with {option}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancel).ConfigureAwait(false);
        }
    }

    private SocketError? Probe()
    {
        try
        {
            using var socket = new Socket(Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(Address, Port));
            socket.Listen(1);
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }
}
