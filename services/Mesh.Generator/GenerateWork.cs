using Mesh.Batching;
using Mesh.Hosting.Stages;
using Mesh.Models.Pipelines;
using static TorchSharp.torch;

namespace Mesh.Generator;

/// <summary>Draws a batch of images. Each goes through the network by itself, so that it never depends on what it shares a batch with.</summary>
internal sealed class GenerateWork : IStageWork<GeneratorPart, GenerateKey, GenerateItem, MadeLatent>
{
    private const int UsualPositions = 77;

    public string Stage => "generator";

    public void Run(GeneratorPart model, GeneratorPart? companion, GenerateKey key, IBatch<GenerateItem, MadeLatent> batch)
    {
        var denoiser = (DenoiserPart)model;
        denoiser.Merge(key.Loras);
        // All steps of one image before the next one's: it is answered as early as it can be, and no image sees another.
        batch.Each(item => Draw(denoiser, companion as ControlPart, key, item));
    }

    public Rehearsal<GenerateKey, GenerateItem> Rehearse(GeneratorPart model, int size)
    {
        var denoiser = (DenoiserPart)model;
        var recipe = denoiser.Stage.Recipe;
        // One step tells what a step costs.
        var steps = recipe.KnownSteps.Count > 0 ? recipe.KnownSteps.Min() : 1;
        var positions = denoiser.Positions ?? UsualPositions;
        var text = new EmbeddedText(new float[positions * denoiser.Config.CrossAttentionDim], positions, denoiser.PooledWidth is { } width ? new float[width] : null);
        var negative = denoiser.NeedsNegative(recipe.Guidance) ? text : null;
        return new(
            new(denoiser.Side, denoiser.Side, steps, (float)recipe.Guidance, LoraSet.None, null),
            [.. Enumerable.Range(0, size).Select(i => new GenerateItem(i, text, negative, null, null, CancellationToken.None))],
            (double)recipe.Steps / steps);
    }

    private static MadeLatent Draw(DenoiserPart model, ControlPart? control, GenerateKey key, GenerateItem item)
    {
        using var scope = NewDisposeScope();
        var latent = model.Stage.Run(
            new DenoiseInput
            {
                Text = Row(model, item.Prompt),
                Negative = item.Negative is { } negative ? Row(model, negative) : null,
                Seeds = [item.Seed],
                Noise = item.Noise is { } noise ? tensor(noise, [1, model.Stage.LatentChannels, key.Height / model.Stage.Factor, key.Width / model.Stage.Factor]) : null,
                Width = key.Width,
                Height = key.Height,
                Steps = key.Steps,
                Guidance = key.Guidance,
                Controls = control is null ? [] : [Use(control, key, item)],
            },
            item.Unwanted);
        var (channels, height, width) = ((int)latent.shape[1], (int)latent.shape[2], (int)latent.shape[3]);
        return new(latent.cpu().contiguous().data<float>().ToArray(), channels, height, width);
    }

    private static TextConditioning Row(DenoiserPart model, EmbeddedText text) => new(
        tensor(text.Context, [1, text.Positions, model.Config.CrossAttentionDim]),
        text.Pooled is { } pooled ? tensor(pooled, [1, pooled.Length]) : null);

    private static ControlUse Use(ControlPart control, GenerateKey key, GenerateItem item)
    {
        var picture = tensor(item.Control!, [1, 3, key.Height, key.Width]).to(ScalarType.Float32).div(byte.MaxValue); // [1, 3, H, W]
        var how = key.Control!;
        return new(control.Network, picture.to(control.Network.Dtype), how.Scale, how.Start, how.End);
    }
}
