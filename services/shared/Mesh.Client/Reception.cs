using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;

namespace Mesh.Client;

/// <summary>
/// Makes a caller's events out of a call's messages: puts files together, checks them, and over several attempts tells nothing twice.
/// </summary>
/// <param name="count">How many images the call is to bring.</param>
internal sealed class Reception(int count)
{
    // Far above any image of the mesh: 16384 x 16384 pixels.
    private const int LongestFile = 1 << 30;

    private readonly Dictionary<(int Index, bool IsPreview), Growing> _files = [];
    private readonly HashSet<(int Index, int X, int Y)> _tiles = [];
    private readonly HashSet<int> _previews = [];
    private readonly HashSet<int> _ended = [];
    private long _expected = 1;
    private long _told;
    private bool _isAccepted;
    private bool _isEncoded;

    /// <summary>A new attempt begins: what came in pieces starts over.</summary>
    public void Begin()
    {
        _expected = 1;
        _files.Clear();
    }

    /// <summary>What a message means to the caller; null where it is a piece of something, or was told before.</summary>
    /// <exception cref="MeshException">It does not fit what came before, or says that the whole call failed.</exception>
    public ImageEvent? Take(long sequence, long elapsed, object? payload, bool isPreview)
    {
        if (sequence != _expected) throw MeshException.OfCorruption($"event {sequence} came where {_expected} was due");
        _expected++;
        var at = FromMicroseconds(elapsed);
        return payload switch
        {
            Accepted x => Once(ref _isAccepted) ? Accept(x, at) : null,
            Encoded x => Once(ref _isEncoded) ? new PromptEncoded(Next(), at, x.Cache, Read(x.Timings)) : null,
            Chunk x => Grow(x, isPreview, at),
            Tile x => Place(x, at),
            Completed x => Complete(x, at),
            Failed x => Fail(x, at),
            // Contracts grow: a kind of event that this client does not know is none of its business.
            _ => null,
        };
    }

    /// <summary>The stream has ended well: is everything here?</summary>
    /// <exception cref="MeshException">An image is missing.</exception>
    public void End()
    {
        if (_ended.Count < count) throw MeshException.OfCorruption($"the call ended after {_ended.Count} of {count} images");
    }

    private CallAccepted Accept(Accepted x, TimeSpan at) =>
        new(Next(), at, x.RequestId, Read(x.Model), [.. x.Seeds], x.WidthPx, x.HeightPx, x.Replayed);

    private PreviewReady? Grow(Chunk x, bool isPreview, TimeSpan at)
    {
        var key = (Known(x.Index), isPreview);
        if (!_files.TryGetValue(key, out var file)) _files.Add(key, file = new Growing());
        file.Add(x);
        if (!isPreview || !x.Last) return null;
        _files.Remove(key);
        return _previews.Add(x.Index) ? new PreviewReady(Next(), at, x.Index, file.MimeType, file.Bytes) : null;
    }

    private TileReady? Place(Tile x, TimeSpan at)
    {
        if (x.WidthPx < 1 || x.HeightPx < 1 || x.XPx < 0 || x.YPx < 0 || x.Rgb.Length != 3L * x.WidthPx * x.HeightPx)
            throw MeshException.OfCorruption(Invariant($"a tile of {x.WidthPx} x {x.HeightPx} at {x.XPx}, {x.YPx} came with {x.Rgb.Length} bytes"));
        return _tiles.Add((Known(x.Index), x.XPx, x.YPx)) ? new TileReady(Next(), at, x.Index, x.XPx, x.YPx, x.WidthPx, x.HeightPx, x.Rgb.Memory) : null;
    }

    private ImageReady? Complete(Completed x, TimeSpan at)
    {
        _files.Remove((Known(x.Index), false), out var file);
        if (_ended.Contains(x.Index)) return null;
        if (file is { IsWhole: false }) throw MeshException.OfCorruption($"image {x.Index} is said to be ready before its last piece came");
        if (file is null && !x.Sha256.IsEmpty) throw MeshException.OfCorruption($"image {x.Index} is said to be ready and no piece of it came");
        if (file is not null && !SHA256.HashData(file.Bytes.Span).AsSpan().SequenceEqual(x.Sha256.Span))
            throw MeshException.OfCorruption($"image {x.Index} does not have the hash that the mesh gave");
        _ended.Add(x.Index);
        var image = new GeneratedImage
        {
            Index = x.Index,
            Seed = x.Seed,
            Model = Read(x.Model),
            MimeType = file?.MimeType ?? "",
            Bytes = file?.Bytes ?? default,
            Sha256 = Convert.ToHexStringLower(x.Sha256.Span),
            Generate = Read(x.Generate),
            Decode = Read(x.Decode),
            Upscale = Read(x.Upscale),
            DeviceKind = x.Reproducibility?.DeviceKind ?? "",
            Build = x.Reproducibility?.Build ?? "",
            Numerics = x.Reproducibility?.Numerics ?? "",
        };
        return new ImageReady(Next(), at, image);
    }

    private ImageFailed? Fail(Failed x, TimeSpan at)
    {
        var error = MeshException.From(x.Status ?? new Google.Rpc.Status());
        if (x.Index < 0) throw error;
        return _ended.Add(Known(x.Index)) ? new ImageFailed(Next(), at, x.Index, error) : null;
    }

    private int Known(int index) => index >= 0 && index < count ? index : throw MeshException.OfCorruption($"something came of image {index}, of {count}");

    private long Next() => ++_told;

    private static bool Once(ref bool isDone)
    {
        var first = !isDone;
        isDone = true;
        return first;
    }

    private static ModelVersion Read(ModelRef? model) => new(model?.Id ?? "", model?.Version ?? "");

    private static StageTimings? Read(Timings? timings) => timings is null
        ? null
        : new StageTimings(FromMicroseconds(timings.QueueUs), FromMicroseconds(timings.ComputeUs), FromMicroseconds(timings.TotalUs), timings.BatchSize);

    private static TimeSpan FromMicroseconds(long value) => TimeSpan.FromTicks(value * TimeSpan.TicksPerMicrosecond);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>A file of which pieces have come.</summary>
    private sealed class Growing
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public string MimeType { get; private set; } = "";

        public bool IsWhole { get; private set; }

        public ReadOnlyMemory<byte> Bytes => _bytes.WrittenMemory;

        public void Add(Chunk x)
        {
            if (IsWhole) throw MeshException.OfCorruption($"a piece of image {x.Index} came after its last");
            if (x.OffsetBytes != _bytes.WrittenCount) throw MeshException.OfCorruption($"a piece of image {x.Index} is for byte {x.OffsetBytes} where {_bytes.WrittenCount} was due");
            if (x.Data.Length > LongestFile - _bytes.WrittenCount) throw MeshException.OfCorruption($"image {x.Index} has more than {LongestFile} bytes");
            if (x.OffsetBytes == 0) MimeType = x.MimeType;
            _bytes.Write(x.Data.Span);
            IsWhole = x.Last;
        }
    }
}
