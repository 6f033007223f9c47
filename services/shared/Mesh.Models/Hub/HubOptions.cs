namespace Mesh.Models.Hub;

/// <summary>Where models come from, where they are kept, and how patient the client is.</summary>
public sealed record HubOptions
{
    /// <summary>The hub. Default https://huggingface.co.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>Sent to the endpoint's own host only; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>The cache that the hub's other clients share.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Whether the network may not be used.</summary>
    public bool IsOffline { get; init; }

    /// <summary>How often a request may fail without a byte of progress between. Default 5.</summary>
    public int MaxTries { get; init; } = 5;

    /// <summary>Pause before the second try; doubles with each further one up to <see cref="LongestPause"/>. Default 1 s.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest pause, also where the server asks for a longer one. Default 60 s.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a connection may stay silent. Default 60 s.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The options that the hub's usual variables ask for: HF_ENDPOINT, HF_TOKEN or the file token in HF_HOME, HF_HUB_CACHE, HF_HOME, HF_HUB_OFFLINE.</summary>
    /// <param name="variable">Reads one variable; null where it is not set.</param>
    /// <param name="home">The user's own folder, under which <c>.cache/huggingface</c> is the default.</param>
    /// <exception cref="HubException">HF_ENDPOINT is no http address.</exception>
    public static HubOptions FromEnvironment(Func<string, string?> variable, string home)
    {
        ArgumentNullException.ThrowIfNull(variable);
        string? Value(string name) => variable(name) is { Length: > 0 } value ? value : null;
        string folder = Value("HF_HOME") ?? Path.Combine(Value("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "huggingface");
        string tokenFile = Value("HF_TOKEN_PATH") ?? Path.Combine(folder, "token");
        string? token = Value("HF_TOKEN") ?? (File.Exists(tokenFile) ? File.ReadAllText(tokenFile) : null);
        string endpoint = Value("HF_ENDPOINT") ?? "https://huggingface.co";
        if (!Uri.TryCreate(endpoint.TrimEnd('/'), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new HubException(HubFault.Usage, $"HF_ENDPOINT is no http address: {endpoint}");
        return new HubOptions
        {
            Endpoint = address,
            Token = string.IsNullOrWhiteSpace(token) ? null : token.Trim(),
            CacheFolder = Value("HF_HUB_CACHE") ?? Path.Combine(folder, "hub"),
            IsOffline = Value("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE",
        };
    }
}
