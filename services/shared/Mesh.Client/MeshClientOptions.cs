namespace Mesh.Client;

/// <summary>Where the mesh is and how a <see cref="MeshClient"/> speaks with it. All properties can be bound from configuration.</summary>
public sealed class MeshClientOptions
{
    /// <summary>Where <c>./mesh up</c> listens.</summary>
    public const string DefaultAddress = "http://127.0.0.1:50051";

    /// <summary>
    /// The gateway: <c>http://host:port</c> (HTTP/2 without TLS), <c>https://host:port</c> or <c>unix:/path/of.sock</c>.
    /// <c>host:port</c> alone is taken as http.
    /// </summary>
    public string Address { get; set; } = DefaultAddress;

    /// <summary>Sent as a bearer token with every call; null: none. Over plain http it travels readable.</summary>
    public string? ApiKey { get; set; }

    /// <summary>A PEM file of the authorities that https trusts in place of the system's; null: the system's.</summary>
    public string? AuthorityFile { get; set; }

    /// <summary>A PEM file of the certificate (and its chain) that this client shows, for mutual TLS; null: none.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>A PEM file of the certificate's private key; null: it stands in <see cref="CertificateFile"/> too.</summary>
    public string? CertificateKeyFile { get; set; }

    /// <summary>How long a call may take, all attempts together, where the call does not say. The mesh stops working on it then.</summary>
    public TimeSpan Deadline { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long making a connection may take.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How often a call is begun again after <c>UNAVAILABLE</c>, or after <c>RESOURCE_EXHAUSTED</c> where the mesh says when to come back; 0: never.
    /// Every attempt carries the same request id and seeds, so that the mesh does the work once and no image comes twice.
    /// </summary>
    public int Retries { get; set; } = 3;

    /// <summary>The longest wait before the first retry; it doubles each time. The mesh's own word, where it gives one, comes first.</summary>
    public TimeSpan RetryBackoff { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How often a connection in use is checked for being alive; zero: not at all.</summary>
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Finds what cannot be, before anything is sent.</summary>
    /// <exception cref="ArgumentException">A value makes no sense; the message names it.</exception>
    internal void Check()
    {
        Ask(Deadline > TimeSpan.Zero && Deadline <= TimeSpan.FromDays(7), nameof(Deadline), "must be longer than nothing and a week at most");
        Ask(ConnectTimeout > TimeSpan.Zero, nameof(ConnectTimeout), "must be longer than nothing");
        Ask(Retries is >= 0 and <= 100, nameof(Retries), "must be from 0 to 100");
        Ask(RetryBackoff >= TimeSpan.Zero, nameof(RetryBackoff), "must not be negative");
        Ask(KeepAlive == TimeSpan.Zero || KeepAlive >= TimeSpan.FromSeconds(1), nameof(KeepAlive), "must be zero, or a second or more");
        Ask(CertificateKeyFile is null || CertificateFile is not null, nameof(CertificateKeyFile), $"needs {nameof(CertificateFile)} beside it");
        Ask(ApiKey is null || (ApiKey.Length > 0 && ApiKey.All(c => c is > ' ' and < '\u007f')), nameof(ApiKey), "must be ASCII without spaces, and not empty");
    }

    private static void Ask(bool holds, string name, string rule)
    {
        if (!holds) throw new ArgumentException($"{name} {rule}", name);
    }
}
