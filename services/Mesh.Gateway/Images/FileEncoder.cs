using System.Security.Cryptography;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;
using Mesh.Imaging;

namespace Mesh.Gateway.Images;

/// <summary>Writes picture files, as many at once as there are processors, on threads that serve no calls meanwhile.</summary>
internal sealed class FileEncoder : IDisposable
{
    public const int ChunkBytes = 64 * 1024;
    private const int PreviewQuality = 75;

    private readonly SemaphoreSlim _places = new(Environment.ProcessorCount);

    public static FilePlan Preview { get; } = new(Imaging.ImageFormat.Jpeg, PreviewQuality);

    public async Task<EncodedFile> EncodeAsync(Image image, FilePlan plan, PngText? text, CancellationToken cancel)
    {
        await _places.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await Task.Run(() =>
            {
                var bytes = ImageCodec.Encode(image, plan.Format, new EncodeOptions(plan.Quality, Text: text is null ? null : [text]));
                return new EncodedFile(bytes, plan.MimeType, ByteString.CopyFrom(SHA256.HashData(bytes)));
            }, cancel).ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }
    }

    public void Dispose() => _places.Dispose();
}

/// <summary>A picture file.</summary>
internal sealed record EncodedFile(byte[] Bytes, string MimeType, ByteString Sha256)
{
    /// <summary>Its pieces, in order; they share the file's memory.</summary>
    public IEnumerable<Chunk> Chunks(int index)
    {
        for (var offset = 0; offset < Bytes.Length; offset += FileEncoder.ChunkBytes)
        {
            var length = Math.Min(FileEncoder.ChunkBytes, Bytes.Length - offset);
            yield return new()
            {
                Index = index,
                MimeType = offset == 0 ? MimeType : "",
                OffsetBytes = offset,
                Data = UnsafeByteOperations.UnsafeWrap(Bytes.AsMemory(offset, length)),
                Last = offset + length == Bytes.Length,
            };
        }
    }
}
