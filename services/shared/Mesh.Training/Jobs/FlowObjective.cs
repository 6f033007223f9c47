using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Weights;
using Mesh.Training.Flow;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>The distance that a flow is trained under.</summary>
internal sealed class FlowObjective : IDisposable
{
    private readonly FlowLoss _loss;
    private readonly AutoencoderKL _vae;
    private readonly Lpips? _lpips;
    private readonly LatentLpips? _latentLpips;

    public FlowObjective(FlowLoss loss, AutoencoderKL vae)
    {
        (_loss, _vae) = (loss, vae);
        if (loss.Distance == FlowDistance.Lpips)
        {
            _lpips = new Lpips(loss.Network);
            using var backbone = SafetensorsFile.Open(loss.Weights!);
            using var heads = SafetensorsFile.Open(loss.Heads!);
            _lpips.Load(backbone, heads);
        }
        else if (loss.Distance == FlowDistance.LatentLpips)
        {
            _latentLpips = new LatentLpips(vae.Config.LatentChannels);
            using var weights = SafetensorsFile.Open(loss.Weights!);
            _latentLpips.Load(weights);
        }
    }

    /// <summary>What else must be drawn for a batch: E-LatentLPIPS's transformation.</summary>
    public AugmentationDraws? Draw(int count, TorchGenerator random) =>
        _latentLpips is null || _loss.Augmentations == Augmentations.None ? null : AugmentationDraws.Draw(_loss.Augmentations, count, random);

    /// <summary>The distance of each sample, [B].</summary>
    /// <param name="noise">Where paths begin.</param>
    /// <param name="latent">Where they end.</param>
    /// <param name="velocity">What the network said.</param>
    /// <param name="draws">Of <see cref="Draw"/>.</param>
    public Tensor Of(Tensor noise, Tensor latent, Tensor velocity, AugmentationDraws? draws) => _loss.Distance switch
    {
        FlowDistance.Lpips => OfPictures(FlowPath.OneStep(noise, velocity), latent),
        FlowDistance.LatentLpips => OfLatents(FlowPath.OneStep(noise, velocity), latent, draws),
        _ => OfVelocities(FlowPath.Velocity(noise, latent) - velocity),
    };

    public void Dispose()
    {
        _lpips?.Dispose();
        _latentLpips?.Dispose();
    }

    private Tensor OfVelocities(Tensor difference) => _loss.Distance switch
    {
        FlowDistance.HuberNorm => Distances.HuberOfNorm(difference, _loss.Scale > 0 ? _loss.Scale : Distances.NormScale(difference)),
        FlowDistance.HuberMean => Distances.HuberOfMean(difference, _loss.Scale),
        FlowDistance.HuberElement => Distances.HuberOfElements(difference, _loss.Scale),
        _ => Distances.Squared(difference),
    };

    private Tensor OfPictures(Tensor guess, Tensor latent)
    {
        Tensor target;
        using (no_grad())
            target = Decoded(latent);
        return _lpips!.Compare(Decoded(guess), target).Distance.flatten();
    }

    private Tensor Decoded(Tensor latent)
    {
        using var unscaled = _vae.Unscale(latent);
        return _vae.Decode(unscaled);
    }

    private Tensor OfLatents(Tensor guess, Tensor latent, AugmentationDraws? draws)
    {
        var augmentation = draws is null ? null : new LatentAugmentation(draws, (int)latent.shape[2], (int)latent.shape[3]);
        return _latentLpips!.Compare(guess, latent, new LatentComparison(), augmentation).Distance.flatten();
    }
}
