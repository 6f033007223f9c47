using Mesh.Hosting.Stages;
using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Pipelines;
using Mesh.Models.Weights;

namespace Mesh.Generator;

/// <summary>What the generator holds in memory by ids: the U-Nets of models, and ControlNets.</summary>
internal abstract class GeneratorPart : IDisposable
{
    public abstract void Dispose();
}

/// <summary>A model's U-Net.</summary>
/// <param name="stage">Noise to latents.</param>
/// <param name="loras">What is merged into the U-Net now, by the names of the configuration.</param>
/// <param name="positions">Rows of an embedding; null where the folder has no text encoder to say so.</param>
/// <param name="side">Pixels a side that it was made for.</param>
internal sealed class DenoiserPart(DenoiseStage stage, LoraShelf loras, int? positions, int side) : GeneratorPart
{
    public DenoiseStage Stage { get; } = stage;

    public LoraShelf Loras { get; } = loras;

    public int? Positions { get; } = positions;

    public int Side { get; } = side;

    public UNetConfig Config => Stage.Network.Config;

    /// <summary>Width of the pooled text; null for models without.</summary>
    public int? PooledWidth => Config.AddsTextAndTime ? Config.ProjectionInputDim - (SizeNumbers * Config.AdditionTimeEmbedDim) : null;

    /// <summary>Whether guidance runs the network on a negative prompt too; a model that is told the scale does without.</summary>
    public bool NeedsNegative(double guidance) => Mesh.Models.Recipes.Guidance.IsActive(guidance) && Config.TimeCondProjDim is null;

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

    public override void Dispose()
    {
        Loras.Dispose();
        Stage.Dispose();
    }

    // SDXL is told original size, crop and target size, two numbers each.
    private const int SizeNumbers = 6;
}

/// <summary>A ControlNet.</summary>
internal sealed class ControlPart(ControlNet network) : GeneratorPart
{
    public ControlNet Network { get; } = network;

    /// <summary>Whether what it adds has the shapes of that U-Net's skips.</summary>
    public bool Fits(UNetConfig unet)
    {
        var own = Network.Config.Encoder;
        return own.BlockOutChannels.SequenceEqual(unet.BlockOutChannels) && own.LayersPerBlock.SequenceEqual(unet.LayersPerBlock)
            && own.CrossAttentionDim == unet.CrossAttentionDim && own.InChannels == unet.InChannels && own.AddsTextAndTime == unet.AddsTextAndTime;
    }

    public override void Dispose() => Network.Dispose();
}
