using Mesh.Hosting.Stages;

namespace Mesh.Generator;

/// <summary>What images must have in common to share a batch, the model aside.</summary>
/// <param name="Width">In pixels.</param>
/// <param name="Height">In pixels.</param>
/// <param name="Steps">Network steps.</param>
/// <param name="Guidance">Above 1 where it acts.</param>
/// <param name="Loras">What changes the network.</param>
/// <param name="Control">How a ControlNet acts; null for none.</param>
internal sealed record GenerateKey(int Width, int Height, int Steps, float Guidance, LoraSet Loras, ControlKey? Control);

/// <summary>How a ControlNet acts.</summary>
/// <param name="Scale">How strongly.</param>
/// <param name="Start">From which share of the steps on.</param>
/// <param name="End">Up to which share.</param>
internal sealed record ControlKey(float Scale, float Start, float End);

/// <summary>An embedding as it came.</summary>
/// <param name="Context">[positions, width].</param>
/// <param name="Positions">Its rows.</param>
/// <param name="Pooled">[width]; null for models without.</param>
internal sealed record EmbeddedText(float[] Context, int Positions, float[]? Pooled);

/// <summary>An image to draw.</summary>
/// <param name="Seed">Of its noise.</param>
/// <param name="Prompt">What to draw.</param>
/// <param name="Negative">What not to; null where guidance does not act.</param>
/// <param name="Control">What a ControlNet sees, [3, height, width]; null for none.</param>
/// <param name="Noise">[channels, height, width], in place of the seed's; null for the seed's.</param>
/// <param name="Unwanted">Cancelled when nobody wants it any more.</param>
internal sealed record GenerateItem(long Seed, EmbeddedText Prompt, EmbeddedText? Negative, byte[]? Control, float[]? Noise, CancellationToken Unwanted);

/// <summary>What became of it.</summary>
/// <param name="Values">[channels, height, width] of the latent.</param>
/// <param name="Channels">Of the latent.</param>
/// <param name="Height">Of the latent.</param>
/// <param name="Width">Of the latent.</param>
internal sealed record MadeLatent(float[] Values, int Channels, int Height, int Width);
