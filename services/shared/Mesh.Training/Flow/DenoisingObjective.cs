using Mesh.Models.Noise;
using Mesh.Models.Samplers;
using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>What a network that takes noise out of latents is trained on.</summary>
public enum DenoisingKind
{
    /// <summary>The velocity of the straight path from noise to latent.</summary>
    Flow,

    /// <summary>What a diffusion model predicts at a step of its training schedule.</summary>
    Diffusion,
}

/// <summary>A question to a network and its answer.</summary>
/// <param name="State">What it sees, [B, C, H, W].</param>
/// <param name="Time">What it is told as time, [B].</param>
/// <param name="Target">What it should say, [B, C, H, W].</param>
/// <param name="Weight">How much each sample counts, [B]; null for all alike.</param>
public sealed record DenoisingCase(Tensor State, Tensor Time, Tensor Target, Tensor? Weight);

/// <summary>Makes cases of latents and noise, under the flow or the diffusion objective.</summary>
public sealed class DenoisingObjective
{
    private readonly FlowTimes? _times;
    private readonly Prediction _prediction;
    private readonly double _mostRatio;
    private readonly float[] _alphas = [];

    /// <summary>The flow objective.</summary>
    public DenoisingObjective(FlowTimes times) => _times = times;

    /// <summary>The diffusion objective: steps are drawn evenly.</summary>
    /// <param name="config">The training schedule, and what the network predicts.</param>
    /// <param name="mostRatio">γ of Min-SNR (Hang et al. 2023): the signal-to-noise ratio counts up to it; 0 for plain squares.</param>
    public DenoisingObjective(SchedulerConfig config, double mostRatio = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        (_prediction, _mostRatio) = (config.Prediction, mostRatio);
        var schedule = new NoiseSchedule(config);
        _alphas = [.. Enumerable.Range(0, schedule.Count).Select(t => (float)schedule.Alpha(t))];
    }

    /// <summary>Draws one time for each sample: τ of a flow, the step of a diffusion.</summary>
    /// <returns>[count], float32.</returns>
    public Tensor Draw(TorchGenerator random, int count)
    {
        if (_times is not null)
            return _times.Draw(random, count);
        var steps = new long[count];
        random.Integers(0, _alphas.Length, steps);
        return tensor(Array.ConvertAll(steps, s => (float)s));
    }

    /// <summary>The question and its answer.</summary>
    /// <param name="noise">[B, C, H, W], standard normal.</param>
    /// <param name="latent">[B, C, H, W], scaled.</param>
    /// <param name="time">Of <see cref="Draw"/>.</param>
    public DenoisingCase Of(Tensor noise, Tensor latent, Tensor time)
    {
        if (_times is not null)
            return new DenoisingCase(FlowPath.At(noise, latent, time), FlowPath.UNetTime(time), FlowPath.Velocity(noise, latent), null);
        using var scope = NewDisposeScope();
        var alpha = tensor(_alphas).index_select(0, time.to(ScalarType.Int64)); // [B]
        var signal = alpha.sqrt().reshape(-1, 1, 1, 1);
        var spread = (1 - alpha).sqrt().reshape(-1, 1, 1, 1);
        var state = (signal * latent) + (spread * noise);
        var target = _prediction switch
        {
            Prediction.Epsilon => noise.clone(),
            Prediction.Velocity => (signal * noise) - (spread * latent),
            _ => latent.clone(),
        };
        var weight = _mostRatio > 0 ? Weight(alpha) : null;
        return new DenoisingCase(
            state.MoveToOuterDisposeScope(), time.clone().MoveToOuterDisposeScope(), target.MoveToOuterDisposeScope(), weight?.MoveToOuterDisposeScope());
    }

    /// <summary>The loss of each sample, [B]: weighted means of squares.</summary>
    public static Tensor Loss(DenoisingCase asked, Tensor said)
    {
        ArgumentNullException.ThrowIfNull(asked);
        var squares = Distances.Squared(asked.Target - said);
        return asked.Weight is null ? squares : squares * asked.Weight;
    }

    // An error of the picture counts min(ratio, γ) times; the same error seen in ε is the ratio's part of it, in v that of the ratio and one.
    private Tensor Weight(Tensor alpha)
    {
        var ratio = alpha / (1 - alpha).clamp_min(1e-8);
        var counted = ratio.clamp_max(_mostRatio);
        return _prediction switch
        {
            Prediction.Epsilon => counted / ratio.clamp_min(1e-8),
            Prediction.Velocity => counted / (ratio + 1),
            _ => counted,
        };
    }
}
