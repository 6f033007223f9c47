namespace Mesh.Client;

/// <summary>A whole image, and what it takes to make it again. Its hash has been checked.</summary>
public sealed record GeneratedImage
{
    /// <summary>Which image of the call, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>What its noise was drawn from.</summary>
    public required ulong Seed { get; init; }

    /// <summary>What drew it.</summary>
    public required ModelVersion Model { get; init; }

    /// <summary>Such as image/png.</summary>
    public required string MimeType { get; init; }

    /// <summary>The file. Empty only where a caller asked for tiles alone.</summary>
    public required ReadOnlyMemory<byte> Bytes { get; init; }

    /// <summary>The file's SHA-256, lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Of the generator; null where it had no part.</summary>
    public StageTimings? Generate { get; init; }

    /// <summary>Of the decoder; null where it had no part.</summary>
    public StageTimings? Decode { get; init; }

    /// <summary>Of the upsampler; null where it had no part.</summary>
    public StageTimings? Upscale { get; init; }

    /// <summary>Such as "cpu avx512". The same request gives the same bytes where this, <see cref="Build"/> and <see cref="Numerics"/> are equal.</summary>
    public required string DeviceKind { get; init; }

    /// <summary>The mesh's build and its tensor library's version.</summary>
    public required string Build { get; init; }

    /// <summary>The type that networks computed in, such as float32.</summary>
    public required string Numerics { get; init; }

    /// <summary>Writes the file.</summary>
    /// <param name="path">Where; replaced where it exists.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    public Task SaveAsync(string path, CancellationToken cancellationToken = default) => File.WriteAllBytesAsync(path, Bytes, cancellationToken);
}
