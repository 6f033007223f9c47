using System.Text.Json.Nodes;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Data;
using Mesh.Training.Optimisation;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Pictures, and the noise that their latents are drawn with.</summary>
internal sealed record AutoencoderBatch(Tensor Pixels, Tensor Noise) : IDisposable
{
    public void Dispose()
    {
        Pixels.Dispose();
        Noise.Dispose();
    }
}

/// <summary>Trains an AutoencoderKL on pixels.</summary>
internal sealed class AutoencoderTask : ITrainingTask<AutoencoderBatch>
{
    private const int Judged = 128;
    private const int Shown = 16;
    private const int EncodedAtOnce = 64;

    private readonly AutoencoderPlan _plan;
    private readonly PictureSet _set;
    private readonly DataOrder _order;
    private readonly AutoencoderKL _network;

    public AutoencoderTask(AutoencoderPlan plan)
    {
        _plan = plan;
        _set = PictureSet.Open(plan.Data, plan.Side);
        _order = new DataOrder(plan.Selection.Of(_set.Entries), plan.Train.Seed);
        _network = new AutoencoderKL(plan.Config!);
        InitialWeights.Of(_network, Draws.Weights(plan.Train.Seed));
        Networks = new Dictionary<string, nn.Module> { ["vae"] = _network };
    }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => _order.Position;
        set => _order.Position = value;
    }

    public AutoencoderBatch NextBatch(int count, TorchGenerator random)
    {
        using var scope = NewDisposeScope();
        var pixels = _set.Batch(_order.Next(count)); // [B, 3, S, S]
        var flips = new float[count];
        random.Uniforms(flips);
        if (flips.Any(f => f < _plan.Flip))
        {
            using var chosen = tensor(flips.Select(f => f < _plan.Flip).ToArray()).reshape(-1, 1, 1, 1);
            pixels = where(chosen, pixels.flip(3), pixels);
        }

        var side = _plan.Side / _plan.Config!.Factor;
        var noise = Draws.Normals(random, count, _plan.Config.LatentChannels, side, side);
        return new AutoencoderBatch(pixels.DetachFromDisposeScope(), noise.DetachFromDisposeScope());
    }

    public LossParts Loss(AutoencoderBatch batch)
    {
        var x = batch.Pixels;
        using var latent = _network.Encode(x);
        var y = _network.Decode(latent.Sample(batch.Noise)); // [B, 3, S, S]
        var off = y - x;
        var absolute = off.abs().mean();
        var squared = off.square().mean();
        var edges = Steps(off, 3).abs().mean() + Steps(off, 2).abs().mean();
        var divergence = (latent.Mean.square() + latent.LogVariance.exp() - 1 - latent.LogVariance).mean() * 0.5;
        var weights = _plan.Loss;
        var total = (weights.Absolute * absolute) + (weights.Squared * squared) + (weights.Edges * edges) + (weights.Divergence * divergence);
        return new LossParts(total, new Dictionary<string, Tensor> { ["absolute"] = absolute, ["squared"] = squared, ["divergence"] = divergence });
    }

    public Look? Sample()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var unseen = _set.Entries.Where(e => !e.IsTrained).Select(e => e.Index).Take(Judged).ToArray();
        var measures = new Dictionary<string, double>();
        if (unseen.Length > 0)
        {
            var ratios = unseen.Chunk(EncodedAtOnce).SelectMany(part => Ratios(_set.Batch(part))).ToArray();
            measures["psnr_unseen"] = ratios.Average();
        }

        var shown = _set.Batch([.. unseen.Concat(_set.Entries.Where(e => e.IsTrained).Select(e => e.Index)).Take(Shown)]);
        return new Look(PictureGrid.Png(cat([shown, Through(shown)], 0), (int)shown.shape[0]), measures);
    }

    public void Export(string folder)
    {
        using var mode = no_grad();
        var extra = new JsonObject { ["_class_name"] = "AutoencoderKL", ["scaling_factor"] = 1 / Spread(), ["force_upcast"] = true };
        ModelWriter.Network(Path.Combine(folder, "vae"), _network, _plan.ConfigJson, extra, _plan.Half);
    }

    public void Dispose() => _network.Dispose();

    private static Tensor Steps(Tensor x, int dimension) => x.narrow(dimension, 1, x.shape[dimension] - 1) - x.narrow(dimension, 0, x.shape[dimension] - 1);

    private Tensor Through(Tensor pixels)
    {
        using var latent = _network.Encode(pixels);
        return _network.Decode(latent.Mean);
    }

    private double[] Ratios(Tensor pixels)
    {
        using var scope = NewDisposeScope();
        var squares = ((Through(pixels).clamp(-1, 1) - pixels) / 2).square().mean([1, 2, 3]);
        return [.. squares.data<float>().ToArray().Select(s => -10 * Math.Log10(s))];
    }

    /// <summary>The standard deviation of the latents that are trained on, which scaling makes 1.</summary>
    private double Spread()
    {
        double sum = 0, squares = 0, count = 0;
        foreach (var part in _set.Entries.Where(e => _plan.Selection.WeightOf(e) > 0).Select(e => e.Index).Chunk(EncodedAtOnce))
        {
            using var scope = NewDisposeScope();
            using var latent = _network.Encode(_set.Batch(part));
            var values = latent.Mean.to(ScalarType.Float64);
            sum += values.sum().item<double>();
            squares += values.square().sum().item<double>();
            count += values.numel();
        }

        return Math.Sqrt((squares / count) - (sum / count * (sum / count)));
    }
}
