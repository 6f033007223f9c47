using System.Security.Cryptography;
using System.Text;

namespace Mesh.Gateway.Keys;

/// <summary>The keys that open the gateway.</summary>
internal sealed class ApiKeyRing
{
    private const int LongestToken = 4096;

    private readonly (byte[] Hash, string Name)[] _keys;

    /// <param name="keys">Valid, with names and hashes of their own.</param>
    public ApiKeyRing(IEnumerable<ApiKeyOptions> keys) => _keys = [.. keys.Select(x => (Convert.FromHexString(x.Sha256), x.Name))];

    /// <summary>Whether there are no keys: then everyone may call.</summary>
    public bool IsEmpty => _keys.Length == 0;

    /// <summary>Whose key this is; null where it is nobody's. Takes the same time for every key of one length.</summary>
    public string? FindName(string token)
    {
        if (token.Length > LongestToken) return null;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        string? found = null;
        foreach (var (known, name) in _keys)
        {
            // No early end: how long this takes must not tell which hash came close.
            if (CryptographicOperations.FixedTimeEquals(known, hash)) found = name;
        }
        return found;
    }
}
