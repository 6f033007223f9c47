using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Hosting.Configuration;

/// <summary>Certificates and keys from PEM files.</summary>
internal static class PemFiles
{
    /// <summary>What is wrong with a certificate, its key and an authority; nothing where all can be read.</summary>
    public static IEnumerable<ValidationResult> Check(string? certificate, string? key, string? authority, string authorityName, bool authorityNeedsCertificate)
    {
        if (certificate is null != key is null)
            yield return new ValidationResult("Certificate and Key go together", [certificate is null ? "Certificate" : "Key"]);
        else if (certificate is not null && Fault(() => LoadWithKey(certificate, key!).ForEach(x => x.Dispose())) is { } fault)
            yield return new ValidationResult(fault, ["Certificate"]);
        if (authority is null) yield break;
        if (authorityNeedsCertificate && certificate is null) yield return new ValidationResult("needs Certificate and Key beside it", [authorityName]);
        if (Fault(() => LoadAll(authority).ForEach(x => x.Dispose())) is { } other) yield return new ValidationResult(other, [authorityName]);
    }

    /// <summary>The certificate with its private key, then those between it and its authority.</summary>
    /// <exception cref="CryptographicException">The files hold no certificate or no key of it.</exception>
    public static List<X509Certificate2> LoadWithKey(string certificate, string key)
    {
        var first = X509Certificate2.CreateFromPemFile(certificate, key);
        return [first, .. LoadAll(certificate).Skip(1)];
    }

    /// <summary>All certificates of a file, at least one.</summary>
    /// <exception cref="CryptographicException">The file holds none.</exception>
    public static List<X509Certificate2> LoadAll(string file)
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(file);
        return all.Count > 0 ? [.. all] : throw new CryptographicException($"{file} holds no certificate");
    }

    /// <summary>How a peer's certificate is judged: its chain must end in one of these, whatever the system trusts. TLS itself sees to what it may be used for.</summary>
    public static X509ChainPolicy Policy(IEnumerable<X509Certificate2> authorities)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities.ToArray());
        return policy;
    }

    private static string? Fault(Action load)
    {
        try
        {
            load();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            return e.Message;
        }
    }
}
