using Mesh.Contracts.Image.V1;

namespace Mesh.Client;

/// <summary>Where the time of one piece of work in one stage went.</summary>
/// <param name="Queue">Until its own turn on the device, what came before it in its batch counted.</param>
/// <param name="Compute">Its own turn on the device.</param>
/// <param name="Total">From arrival to answer inside the stage.</param>
/// <param name="BatchSize">How many pieces shared the batch, this one counted.</param>
public sealed record StageTimings(TimeSpan Queue, TimeSpan Compute, TimeSpan Total, int BatchSize);

/// <summary>A model by its id and the hash of its weights.</summary>
/// <param name="Id">The id that it is configured under.</param>
/// <param name="Version">Lower-case hexadecimal.</param>
public sealed record ModelVersion(string Id, string Version);

/// <summary>What happened in a call. Every kind is a record of its own, made for <c>switch</c>.</summary>
/// <param name="Sequence">1 for a call's first event, then one more each.</param>
/// <param name="Elapsed">Since the mesh admitted the call (a retry counts anew).</param>
public abstract record ImageEvent(long Sequence, TimeSpan Elapsed);

/// <summary>The mesh admitted the call. The first event, and there is one only.</summary>
/// <param name="Sequence">1.</param>
/// <param name="Elapsed">Nothing, or nearly.</param>
/// <param name="RequestId">What a later call can name to get the same result again.</param>
/// <param name="Model">What will draw.</param>
/// <param name="Seeds">One an image.</param>
/// <param name="Width">Of each image before it is enlarged, in pixels.</param>
/// <param name="Height">As <paramref name="Width"/>.</param>
/// <param name="Replayed">Whether what follows is the stored result of an earlier call.</param>
public sealed record CallAccepted(
    long Sequence, TimeSpan Elapsed, string RequestId, ModelVersion Model, IReadOnlyList<ulong> Seeds, int Width, int Height, bool Replayed)
    : ImageEvent(Sequence, Elapsed);

/// <summary>The prompt has become an embedding.</summary>
/// <param name="Sequence">See <see cref="ImageEvent"/>.</param>
/// <param name="Elapsed">See <see cref="ImageEvent"/>.</param>
/// <param name="Cache">Where the embedding came from.</param>
/// <param name="Timings">Of the text stage; null where it was not asked.</param>
public sealed record PromptEncoded(long Sequence, TimeSpan Elapsed, CacheOutcome Cache, StageTimings? Timings) : ImageEvent(Sequence, Elapsed);

/// <summary>A small, quick picture of what is coming.</summary>
/// <param name="Sequence">See <see cref="ImageEvent"/>.</param>
/// <param name="Elapsed">See <see cref="ImageEvent"/>.</param>
/// <param name="Index">Of which image, from 0.</param>
/// <param name="MimeType">Such as image/png.</param>
/// <param name="Bytes">The file.</param>
public sealed record PreviewReady(long Sequence, TimeSpan Elapsed, int Index, string MimeType, ReadOnlyMemory<byte> Bytes) : ImageEvent(Sequence, Elapsed);

/// <summary>A finished part of an enlarged image; parts do not overlap.</summary>
/// <param name="Sequence">See <see cref="ImageEvent"/>.</param>
/// <param name="Elapsed">See <see cref="ImageEvent"/>.</param>
/// <param name="Index">Of which image, from 0.</param>
/// <param name="X">Left edge in the enlarged image, in pixels.</param>
/// <param name="Y">Upper edge in the enlarged image, in pixels.</param>
/// <param name="Width">In pixels.</param>
/// <param name="Height">In pixels.</param>
/// <param name="Rgb">Row-major, three bytes a pixel.</param>
public sealed record TileReady(long Sequence, TimeSpan Elapsed, int Index, int X, int Y, int Width, int Height, ReadOnlyMemory<byte> Rgb) : ImageEvent(Sequence, Elapsed)
{
    private const int Channels = 3;

    /// <summary>Puts the tile in its place in an enlarged image.</summary>
    /// <param name="canvas">Row-major, three bytes a pixel.</param>
    /// <param name="canvasWidth">In pixels.</param>
    /// <exception cref="ArgumentException">The canvas is too small.</exception>
    public void CopyTo(Span<byte> canvas, int canvasWidth)
    {
        if (X + Width > canvasWidth || (Y + Height) * (long)canvasWidth * Channels > canvas.Length)
            throw new ArgumentException($"a tile that ends at {X + Width}, {Y + Height} does not fit a canvas {canvasWidth} wide of {canvas.Length} bytes", nameof(canvas));
        for (var row = 0; row < Height; row++)
            Rgb.Span.Slice(row * Width * Channels, Width * Channels).CopyTo(canvas[((((Y + row) * canvasWidth) + X) * Channels)..]);
    }
}

/// <summary>An image is whole.</summary>
/// <param name="Sequence">See <see cref="ImageEvent"/>.</param>
/// <param name="Elapsed">See <see cref="ImageEvent"/>.</param>
/// <param name="Image">It, with what made it.</param>
public sealed record ImageReady(long Sequence, TimeSpan Elapsed, GeneratedImage Image) : ImageEvent(Sequence, Elapsed);

/// <summary>An image will not come; others of the call may.</summary>
/// <param name="Sequence">See <see cref="ImageEvent"/>.</param>
/// <param name="Elapsed">See <see cref="ImageEvent"/>.</param>
/// <param name="Index">Which, from 0.</param>
/// <param name="Error">Why.</param>
public sealed record ImageFailed(long Sequence, TimeSpan Elapsed, int Index, MeshException Error) : ImageEvent(Sequence, Elapsed);
