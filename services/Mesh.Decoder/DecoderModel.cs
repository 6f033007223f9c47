using Mesh.Models.Pipelines;

namespace Mesh.Decoder;

/// <summary>A model's decoders in memory.</summary>
/// <param name="Full">The model's own.</param>
/// <param name="Preview">The tiny one; null where none is configured.</param>
/// <param name="Side">Pixels a side that the model was made for.</param>
internal sealed record DecoderModel(DecodeStage Full, DecodeStage? Preview, int Side) : IDisposable
{
    public void Dispose()
    {
        Full.Dispose();
        Preview?.Dispose();
    }
}

/// <summary>What latents must have in common to share a batch, the model aside.</summary>
/// <param name="Preview">By the tiny decoder.</param>
/// <param name="Height">Of the latents.</param>
/// <param name="Width">Of the latents.</param>
internal readonly record struct DecodeKey(bool Preview, int Height, int Width);

/// <summary>A latent to decode.</summary>
/// <param name="Values">[channels, height, width].</param>
internal sealed record DecodeItem(float[] Values);

/// <summary>What became of it.</summary>
/// <param name="Pixels">[height, width, 3].</param>
/// <param name="Height">In pixels.</param>
/// <param name="Width">In pixels.</param>
internal sealed record DecodedPicture(byte[] Pixels, int Height, int Width);
