using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mesh.Training.Optimisation;

/// <summary>The knobs of AdamW with clipped gradients.</summary>
/// <param name="Beta1">Share that the mean of the gradients keeps in a step.</param>
/// <param name="Beta2">Share that the mean of their squares keeps.</param>
/// <param name="Epsilon">Added to the root of the squares.</param>
/// <param name="WeightDecay">By what part of itself, times the rate, every parameter shrinks in a step.</param>
/// <param name="ClipNorm">The largest norm of all gradients together; 0 for no limit.</param>
public sealed record OptimiserConfig(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0.01, double ClipNorm = 1);

/// <summary>AdamW on named parameters: clip, step, forget the gradients.</summary>
public sealed class Optimiser : IDisposable
{
    private readonly OptimiserConfig _config;
    private readonly string[] _names;
    private readonly Parameter[] _parameters;
    private readonly AdamW _adam;

    /// <summary>Begins without moments.</summary>
    /// <param name="parameters">What is trained, by name.</param>
    /// <param name="config">The knobs.</param>
    public Optimiser(IEnumerable<(string Name, Parameter Value)> parameters, OptimiserConfig config)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var all = parameters.ToArray();
        (_config, _names, _parameters) = (config, [.. all.Select(p => p.Name)], [.. all.Select(p => p.Value)]);
        _adam = optim.AdamW(_parameters, 0, config.Beta1, config.Beta2, config.Epsilon, config.WeightDecay);
    }

    /// <summary>What is trained.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>Moments and step counts by name: <c>NAME.mean</c>, <c>NAME.square</c>. They belong to this object.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Moments()
    {
        var states = _adam.state_dict().State;
        for (var i = 0; i < _names.Length; i++)
        {
            var state = (AdamW.State)states[i];
            yield return new(_names[i] + ".mean", state.exp_avg);
            yield return new(_names[i] + ".square", state.exp_avg_sq);
        }
    }

    /// <summary>Updates that were made of each parameter, in order.</summary>
    public long[] StepCounts() => [.. _adam.state_dict().State.Select(s => ((AdamW.State)s).step)];

    /// <summary>Goes on from saved counts; the moments are copied into <see cref="Moments"/>.</summary>
    /// <exception cref="ArgumentException">There is not one count for each parameter.</exception>
    public void Resume(IReadOnlyList<long> stepCounts)
    {
        ArgumentNullException.ThrowIfNull(stepCounts);
        if (stepCounts.Count != _names.Length)
            throw new ArgumentException($"{stepCounts.Count} step counts for {_names.Length} parameters", nameof(stepCounts));
        var states = _adam.state_dict().State;
        for (var i = 0; i < _names.Length; i++)
            ((AdamW.State)states[i]).step = stepCounts[i];
    }

    /// <summary>Clips the gradients, takes a step and forgets them.</summary>
    /// <param name="rate">The learning rate of this step.</param>
    /// <returns>The norm of all gradients before they were clipped; not finite where one was not, and then nothing was changed.</returns>
    public double Step(double rate)
    {
        var norm = nn.utils.clip_grad_norm_(_parameters, _config.ClipNorm > 0 ? _config.ClipNorm : double.PositiveInfinity);
        if (double.IsFinite(norm))
        {
            foreach (var group in _adam.ParamGroups)
                group.LearningRate = rate;
            _adam.step();
        }

        Forget();
        return norm;
    }

    /// <summary>Drops all gradients; the next ones take their place instead of being added to zeros.</summary>
    public void Forget()
    {
        foreach (var parameter in _parameters)
            parameter.grad = null;
    }

    /// <inheritdoc/>
    public void Dispose() => _adam.Dispose();
}
