using Mesh.Models.Lora;
using Mesh.Models.Pipelines;

namespace Mesh.TextEncoder;

/// <summary>A model's text encoders in memory.</summary>
/// <param name="Stage">Texts to conditioning.</param>
/// <param name="Loras">What is merged into the encoders now, by the names of the configuration.</param>
/// <param name="ZerosForAbsent">Whether a negative prompt that was not given is zeros.</param>
internal sealed record TextModel(TextStage Stage, LoraShelf Loras, bool ZerosForAbsent) : IDisposable
{
    /// <summary>Tokens that the encoders see.</summary>
    public int Positions => Stage.Tokenizers[0].MaxLength;

    /// <summary>Width of the pooled text; null for models without.</summary>
    public int? PooledWidth => Stage.Encoders.Count == 2 ? Stage.Encoders[1].Config.ProjectionDim : null;

    public void Dispose()
    {
        Loras.Dispose();
        Stage.Dispose();
    }
}

/// <summary>A prompt to encode.</summary>
/// <param name="Prompt">The text.</param>
/// <param name="Absent">It stands for a negative prompt that was not given; the text is empty then.</param>
/// <param name="Unwanted">Cancelled when nobody wants it any more.</param>
internal sealed record TextItem(string Prompt, bool Absent, CancellationToken Unwanted);

/// <summary>What became of a prompt.</summary>
/// <param name="Context">[positions, width].</param>
/// <param name="Positions">Rows of the context.</param>
/// <param name="Pooled">[width], or null for models without.</param>
internal sealed record EncodedText(float[] Context, int Positions, float[]? Pooled);
