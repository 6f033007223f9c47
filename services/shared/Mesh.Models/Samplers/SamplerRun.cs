using static TorchSharp.torch;

namespace Mesh.Models.Samplers;

/// <summary>
/// Takes a batch of latents through a plan. Each sum is made of separate products and additions, so that an element's value never depends on where in
/// a vector register it lands, nor an image's on what shares its batch.
/// </summary>
public sealed class SamplerRun : IDisposable
{
    private readonly SamplerPlan _plan;
    private Tensor? _lastEstimate;

    /// <summary>Begins at noise of any shape; <see cref="State"/> is the scaled noise.</summary>
    public SamplerRun(SamplerPlan plan, Tensor noise)
    {
        _plan = plan;
        State = Detached(noise.mul(plan.StartScale));
    }

    /// <summary>The step to be taken next, from 0.</summary>
    public int Index { get; private set; }

    /// <summary>Whether every step was taken; <see cref="State"/> is then the result.</summary>
    public bool Done => Index == _plan.Steps.Count;

    /// <summary>The step to be taken next.</summary>
    public SamplerStep Step => _plan.Steps[Index];

    /// <summary>The latents as they are. Belongs to this object.</summary>
    public Tensor State { get; private set; }

    /// <summary>What the network is to see at this step. The caller disposes it.</summary>
    public Tensor Input() => Step.InputScale == 1 ? State.alias() : State.mul(Step.InputScale);

    /// <summary>Takes the step.</summary>
    /// <param name="output">What the network said of <see cref="Input"/>.</param>
    /// <param name="noise">Fresh standard normals; needed where the step's <see cref="SamplerStep.Noise"/> is not 0.</param>
    public void Advance(Tensor output, Tensor? noise = null)
    {
        using var scope = NewDisposeScope();
        var step = Step;
        var estimate = Sum((State, step.EstimateFromState), (output, step.EstimateFromOutput));
        if (step.Noise != 0 && noise is null)
            throw new ArgumentNullException(nameof(noise), "this step adds fresh noise");
        var next = Sum(
            (State, step.FromState), (output, step.FromOutput), (estimate, step.FromEstimate), (_lastEstimate, step.FromLastEstimate), (noise, step.Noise));
        State.Dispose();
        _lastEstimate?.Dispose();
        State = Detached(next);
        _lastEstimate = Detached(estimate);
        Index++;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        State.Dispose();
        _lastEstimate?.Dispose();
    }

    private static Tensor Sum(params ReadOnlySpan<(Tensor? Value, double Factor)> terms)
    {
        Tensor? sum = null;
        foreach (var (value, factor) in terms)
        {
            if (factor == 0)
                continue;
            var term = factor == 1 ? value! : value!.mul(factor);
            sum = sum is null ? term : sum.add(term);
        }

        // A state must not be an alias of a network's output, which its owner disposes.
        return ReferenceEquals(sum, terms[0].Value) || ReferenceEquals(sum, terms[1].Value) || sum is null ? (sum ?? terms[0].Value!.mul(0)).clone() : sum;
    }

    private static Tensor Detached(Tensor tensor) => tensor.DetachFromDisposeScope();
}
