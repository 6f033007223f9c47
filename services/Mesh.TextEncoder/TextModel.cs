using Mesh.Hosting.Stages;
using Mesh.Models.Lora;
using Mesh.Models.Pipelines;
using Mesh.Models.Weights;

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

    /// <summary>Reads the files of LoRAs and keeps them until disposed of, so that <see cref="Merge"/> finds them there.</summary>
    public async Task<IDisposable> TakeAsync(LoraSet loras)
    {
        try
        {
            return await Loras.TakeAsync([.. loras.Choices.Select(x => x.Name)]).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or WeightFileException or LoraFormatException)
        {
            throw StageFaults.UnusableLora(loras, e);
        }
    }

    /// <summary>Changes the weights by these LoRAs and no others. On the device's thread.</summary>
    public void Merge(LoraSet loras)
    {
        try
        {
            Loras.Use([.. loras.Choices.Select(x => (x.Name, (double)x.Weight))]);
        }
        catch (Exception e) when (e is IOException or WeightFileException or LoraFormatException)
        {
            throw StageFaults.UnusableLora(loras, e);
        }
    }

    public void Dispose()
    {
        Loras.Dispose();
        Stage.Dispose();
    }
}

/// <summary>A prompt to encode.</summary>
/// <param name="Prompt">The text.</param>
/// <param name="Absent">It stands for a negative prompt that was not given; the text is empty then.</param>
internal sealed record TextItem(string Prompt, bool Absent);

/// <summary>What became of a prompt.</summary>
/// <param name="Context">[positions, width].</param>
/// <param name="Positions">Rows of the context.</param>
/// <param name="Pooled">[width], or null for models without.</param>
internal sealed record EncodedText(float[] Context, int Positions, float[]? Pooled);
