using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Replay;

/// <summary>What makes two calls the same: caller, kind and request id; and whether they ask for the same.</summary>
/// <param name="Key">Names the call.</param>
/// <param name="Fingerprint">SHA-256 of what it asks for.</param>
internal sealed record RunIdentity(string Key, byte[] Fingerprint)
{
    /// <summary>Null where the call has no request id.</summary>
    public static RunIdentity? Of(string caller, GenerateRequest request) =>
        request.RequestId.Length == 0 ? null : Make("generate", caller, request.RequestId, new GenerateRequest(request) { RequestId = "" });

    /// <inheritdoc cref="Of(string, GenerateRequest)"/>
    public static RunIdentity? Of(string caller, UpscaleRequest request) =>
        request.RequestId.Length == 0 ? null : Make("upscale", caller, request.RequestId, new UpscaleRequest(request) { RequestId = "" });

    private static RunIdentity Make(string kind, string caller, string id, IMessage request)
    {
        var name = Encoding.UTF8.GetBytes($"{kind}\n{id.ToLowerInvariant()}\n{caller}");
        return new(Convert.ToHexStringLower(SHA256.HashData(name)), SHA256.HashData(request.ToByteArray()));
    }
}
