using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>
/// Enlarges pictures by AuraSR, tile by tile. Parts of the result come out as they are finished; putting them together is the caller's,
/// or <see cref="Upscale"/>'s for pictures that fit into memory whole.
/// </summary>
/// <param name="network">The network.</param>
/// <param name="maxBatch">Tiles of one picture that go through the network at once. With 1 a result does not depend on how many there were.</param>
public sealed class AuraSRUpscaler(AuraSR network, int maxBatch = 1)
{
    private const double Sharpness = 16;

    /// <summary>The weight of each pixel of a tile that comes out: exp(−16·d²) of the distance d to its middle, 1 at most.</summary>
    /// <param name="side">Side of the tile.</param>
    /// <returns>[side, side], float32.</returns>
    public static Tensor TileWeights(int side)
    {
        using var scope = NewDisposeScope();
        var line = linspace(-1, 1, side, ScalarType.Float64).square();
        var weights = ((line.unsqueeze(1) + line) * -Sharpness).exp();
        return (weights / weights.max()).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The bytes of a picture in [0, 1], cut off and not rounded, as the reference makes them.</summary>
    /// <param name="picture">[3, h, w].</param>
    /// <returns>[h, w, 3], Byte.</returns>
    public static Tensor ToBytes(Tensor picture)
    {
        using var scope = NewDisposeScope();
        return (picture.permute(1, 2, 0) * byte.MaxValue).to(ScalarType.Byte).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Enlarges a picture whole.</summary>
    /// <param name="picture">[3, h, w], in [0, 1] or bytes.</param>
    /// <param name="noise">Random numbers.</param>
    /// <param name="blend">How two passes, half a tile apart, are weighed: no seams, at twice the cost. Null for one pass of tiles that do not overlap.</param>
    /// <param name="cancel">Seen before each run of the network.</param>
    /// <returns>[3, scale·h, scale·w] in [0, 1], float32.</returns>
    public Tensor Upscale(Tensor picture, IUpscaleNoise noise, OverlapBlend? blend = null, CancellationToken cancel = default)
    {
        using var scope = NewDisposeScope();
        Tensor? whole = null;
        foreach (var part in Stream(picture, noise, blend, cancel))
        {
            using var piece = part;
            var pixels = part.Pixels;
            whole ??= empty([pixels.shape[0], picture.shape[1] * network.Config.Scale, picture.shape[2] * network.Config.Scale], pixels.dtype, pixels.device);
            using var place = whole.narrow(1, part.Y, pixels.shape[1]);
            using var column = place.narrow(2, part.X, pixels.shape[2]);
            column.copy_(pixels);
        }

        return whole!.MoveToOuterDisposeScope();
    }

    /// <summary>The parts of an enlarged picture, from the upper left, row by row, each as soon as it is finished. The caller disposes of them.</summary>
    /// <inheritdoc cref="Upscale"/>
    public IEnumerable<UpscaledPart> Stream(Tensor picture, IUpscaleNoise noise, OverlapBlend? blend = null, CancellationToken cancel = default)
    {
        using var run = new UpscaleRun(network.Config, picture, noise, blend);
        while (!run.IsFinished)
        {
            cancel.ThrowIfCancellationRequested();
            foreach (var part in Step(run))
                yield return part;
        }
    }

    /// <summary>Moves a picture on by one run of the network.</summary>
    /// <returns>The parts that this finishes; none at times, and none of a finished picture. The caller disposes of them.</returns>
    public IReadOnlyList<UpscaledPart> Step(UpscaleRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return run.Left == 0 ? [] : [.. Run([.. Enumerable.Repeat(run, Math.Min(maxBatch, run.Left))]).OfType<UpscaledPart>()];
    }

    /// <summary>Moves several pictures on by one tile each, all in one run of the network.</summary>
    /// <param name="runs">Different ones, none of them finished.</param>
    /// <returns>For each the part that this finishes, or null. The caller disposes of them.</returns>
    public IReadOnlyList<UpscaledPart?> Step(IReadOnlyList<UpscaleRun> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (runs.Any(r => r.Left == 0) || runs.Distinct().Count() != runs.Count)
            throw new ArgumentException("a picture is finished, or there twice", nameof(runs));
        return Run(runs);
    }

    private UpscaledPart?[] Run(IReadOnlyList<UpscaleRun> runs)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        var inputs = runs.Select(r => r.Take()).ToList();
        Tensor Joined(IEnumerable<Tensor> rows) => (inputs.Count == 1 ? rows.Single() : cat([.. rows], 0)).to(network.Device);
        var noise = inputs[0].Noise is null ? null : Joined(inputs.Select(i => i.Noise!));
        var large = network.call(Joined(inputs.Select(i => i.Pixels)), Joined(inputs.Select(i => i.Style)), noise) // [B, 3, size, size]
            .to(ScalarType.Float32).clamp(0, 1);
        var parts = new UpscaledPart?[runs.Count];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = runs[i].Give(large[i]);
            parts[i]?.Pixels.MoveToOuterDisposeScope();
        }

        return parts;
    }
}
