using System.Security.Cryptography;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Store;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Replay;

/// <summary>Results of calls with a request id, for some minutes: in this process, and in Redis where there is one.</summary>
internal sealed class ReplayStore
{
    // Larger ones stay in this process: Redis answers nobody else while it reads or writes one.
    private const int MostShared = 16 << 20;

    private readonly LocalCache? _local;
    private readonly SharedCache? _shared;

    public ReplayStore(IOptions<GatewayOptions> options, GatewayRedis redis, TimeProvider time)
    {
        var o = options.Value;
        // One result may take half of the budget: it is held as events and as bytes for a moment.
        KeepBytes = o.ReplayMinutes > 0 ? o.ReplayBytes / 2 : 0;
        if (KeepBytes == 0) return;
        _local = new(o.ReplayBytes, TimeSpan.FromMinutes(o.ReplayMinutes), time);
        _shared = redis.Replays;
    }

    /// <summary>Most bytes of one result; 0: none is kept.</summary>
    public long KeepBytes { get; }

    /// <summary>Held in this process now.</summary>
    public long LocalBytes => _local?.Bytes ?? 0;

    /// <summary>What an earlier call came to; null where nothing is known of it.</summary>
    public async Task<StoredResult?> FindAsync(RunIdentity identity, CancellationToken cancel)
    {
        if (_local is null) return null;
        if (_local.TryGet(identity.Key, out var bytes)) return Read(bytes);
        if (_shared is null || await _shared.GetAsync(identity.Key, cancel).ConfigureAwait(false) is not { } found) return null;
        _local.Set(identity.Key, found);
        return Read(found);
    }

    /// <summary>Keeps a result.</summary>
    public async Task KeepAsync(RunIdentity identity, IReadOnlyList<GenerateResponse> events, CancellationToken cancel)
    {
        if (_local is null) return;
        using var stream = new MemoryStream();
        stream.Write(identity.Fingerprint);
        foreach (var item in events) item.WriteDelimitedTo(stream);
        var bytes = stream.ToArray();
        _local.Set(identity.Key, bytes);
        if (_shared is not null && bytes.Length <= MostShared) await _shared.SetAsync(identity.Key, bytes, cancel).ConfigureAwait(false);
    }

    private static StoredResult? Read(byte[] bytes)
    {
        if (bytes.Length < SHA256.HashSizeInBytes) return null;
        try
        {
            using var stream = new MemoryStream(bytes, SHA256.HashSizeInBytes, bytes.Length - SHA256.HashSizeInBytes);
            List<GenerateResponse> events = [];
            while (stream.Position < stream.Length) events.Add(GenerateResponse.Parser.ParseDelimitedFrom(stream));
            return new(bytes[..SHA256.HashSizeInBytes], events);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }
}

/// <summary>What an earlier call asked for and came to.</summary>
internal sealed record StoredResult(byte[] Fingerprint, IReadOnlyList<GenerateResponse> Events);
