using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Recipes;
using Mesh.Models.Samplers;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>
/// Noise and conditioning to latents, by a U-Net and a recipe. The network sees one image at a time (with guidance its negative and positive half
/// together): matrix products of another batch size are added up in another order, which would let an image depend on what shares its batch.
/// </summary>
public sealed class DenoiseStage : IDisposable
{
    private readonly UNet _net;
    private readonly Device _device;

    /// <summary>A stage.</summary>
    /// <param name="net">The network; belongs to the stage.</param>
    /// <param name="recipe">How it is stepped.</param>
    /// <param name="factor">Pixels a latent's side.</param>
    public DenoiseStage(UNet net, Recipe recipe, int factor)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(factor);
        (_net, Recipe, Factor) = (net, recipe, factor);
        _device = net.parameters().First().device;
        net.eval();
    }

    /// <summary>How the network is stepped.</summary>
    public Recipe Recipe { get; }

    /// <summary>Pixels a latent's side.</summary>
    public int Factor { get; }

    /// <summary>The network, for LoRAs.</summary>
    public UNet Network => _net;

    /// <summary>Pixels a side that the network was made for; null where its configuration does not say.</summary>
    public int? NativeSide => _net.Config.SampleSize * Factor;

    /// <summary>Channels of a latent.</summary>
    public int LatentChannels => _net.Config.InChannels;

    /// <summary>Makes the latents. The caller disposes of them.</summary>
    /// <returns>[B, C, height / <see cref="Factor"/>, width / <see cref="Factor"/>], scaled as the network sees them, float32.</returns>
    /// <exception cref="ArgumentException">Sizes, rows or steps do not fit.</exception>
    public Tensor Run(DenoiseInput input, CancellationToken cancel = default)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var plan = Recipe.Plan(input.Steps);
        var guidance = input.Guidance ?? Recipe.Guidance;
        var guided = Guidance.IsActive(guidance) && _net.Config.TimeCondProjDim is null;
        var images = input.Text.Count;
        Check(input, images, guided);

        var noise = input.Seeds is null ? null : new ImageNoise(input.Seeds);
        if (plan.NeedsNoise && noise is null)
            throw new ArgumentException("this sampler adds noise between steps, which needs seeds", nameof(input));
        long[] shape = [LatentChannels, input.Height / Factor, input.Width / Factor];
        using var run = new SamplerRun(plan, input.Noise?.to(_device).to(ScalarType.Float32) ?? noise!.Next(shape).to(_device));
        var calls = Enumerable.Range(0, images).Select(image => new NetworkCall(_net, _device, input, image, guided, guidance)).ToArray();
        while (!run.Done)
        {
            using var inner = NewDisposeScope();
            var seen = run.Input();
            var outputs = new Tensor[images];
            for (var i = 0; i < images; i++)
            {
                cancel.ThrowIfCancellationRequested();
                outputs[i] = calls[i].Predict(seen.narrow(0, i, 1), run.Step.Timestep, run.Index, plan.Steps.Count);
            }

            run.Advance(Combined(outputs, input, run.Index, guided, guidance), run.Step.Noise == 0 ? null : noise!.Next(shape).to(_device));
        }

        return run.State.clone().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _net.Dispose();

    /// <summary>The batch's prediction from each image's output, which with guidance is its negative and its positive half.</summary>
    private Tensor Combined(Tensor[] outputs, DenoiseInput input, int step, bool guided, double guidance)
    {
        if (!guided)
        {
            var plain = cat(outputs, 0);
            input.OnOutput?.Invoke(step, plain);
            return plain;
        }

        var negative = cat([.. outputs.Select(o => o.narrow(0, 0, 1))], 0);
        var positive = cat([.. outputs.Select(o => o.narrow(0, 1, 1))], 0);
        if (input.OnOutput is { } told)
            told(step, cat([negative, positive], 0));
        return Guidance.Combine(negative, positive, guidance, input.GuidanceRescale ?? Recipe.GuidanceRescale);
    }

    private void Check(DenoiseInput input, int images, bool guided)
    {
        if (input.Height < Factor || input.Width < Factor || input.Height % Factor != 0 || input.Width % Factor != 0)
            throw new ArgumentException($"a picture of {input.Width} x {input.Height}; sides must be multiples of {Factor}", nameof(input));
        if (input.Seeds is not null && input.Seeds.Count != images)
            throw new ArgumentException($"{input.Seeds.Count} seeds for {images} images", nameof(input));
        if (input.Noise is null && input.Seeds is null)
            throw new ArgumentException("neither seeds nor noise", nameof(input));
        if (input.Noise is { } noise && !noise.shape.AsSpan().SequenceEqual([images, LatentChannels, input.Height / Factor, input.Width / Factor]))
            throw new ArgumentException($"noise of shape [{string.Join(", ", noise.shape)}]", nameof(input));
        if (guided && input.Negative is not { } negative)
            throw new ArgumentException("guidance needs a negative text's conditioning", nameof(input));
        if (guided && input.Negative!.Count != 1 && input.Negative.Count != images)
            throw new ArgumentException($"{input.Negative.Count} negative texts for {images} images", nameof(input));
    }
}
