using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>A point of a diffusion's schedule: a sample there is signal·picture + noise·ε.</summary>
/// <param name="Signal">The picture's factor a.</param>
/// <param name="Noise">The noise's factor s; a² + s² = 1.</param>
public readonly record struct DiffusionPoint(double Signal, double Noise)
{
    /// <summary>The end of the way, where nothing but the picture is left.</summary>
    public static DiffusionPoint Picture { get; } = new(1, 0);

    /// <summary>The point of a share ā of the signal's variance.</summary>
    public static DiffusionPoint OfAlpha(double alpha) => new(Math.Sqrt(alpha), Math.Sqrt(1 - alpha));
}

/// <summary>Progressive distillation (Salimans and Ho 2022): one step of the student is to end where two of the teacher's DDIM steps do.</summary>
public static class ProgressiveTarget
{
    /// <summary>One deterministic DDIM step with a known noise ε.</summary>
    public static Tensor Step(Tensor state, Tensor epsilon, DiffusionPoint from, DiffusionPoint to)
    {
        using var scope = NewDisposeScope();
        var picture = (state - (from.Noise * epsilon)) / from.Signal;
        return ((to.Signal * picture) + (to.Noise * epsilon)).MoveToOuterDisposeScope();
    }

    /// <summary>The picture that a student at <paramref name="from"/> must predict so that its one step ends at <paramref name="end"/>.</summary>
    /// <param name="state">Where both start.</param>
    /// <param name="end">Where the teacher's two steps end.</param>
    /// <param name="from">The schedule at the start.</param>
    /// <param name="to">The schedule at the end.</param>
    public static Tensor Picture(Tensor state, Tensor end, DiffusionPoint from, DiffusionPoint to)
    {
        using var scope = NewDisposeScope();
        var ratio = to.Noise / from.Noise;
        return ((end - (ratio * state)) / (to.Signal - (ratio * from.Signal))).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The velocity that a student must have on a straight path so that its one step of 1/<paramref name="steps"/> ends where two of the teacher's
    /// half as long do: the mean of theirs. It is <see cref="Picture"/> with a = τ and s = 1 − τ, and holds at pure noise too.
    /// </summary>
    /// <param name="state">Where both start, [B, C, H, W].</param>
    /// <param name="tau">[B], whole multiples of 1/<paramref name="steps"/> below 1.</param>
    /// <param name="steps">The student's steps from noise to picture.</param>
    /// <param name="teacher">State and flow time [B] to velocity [B, C, H, W].</param>
    public static Tensor Flow(Tensor state, Tensor tau, int steps, Func<Tensor, Tensor, Tensor> teacher)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        using var scope = NewDisposeScope();
        var half = 0.5 / steps;
        var first = teacher(state, tau);
        var second = teacher(state + (first * half), tau + half);
        return ((first + second) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>The same target as noise: (state − a·picture)/s.</summary>
    public static Tensor Epsilon(Tensor state, Tensor picture, DiffusionPoint from)
    {
        using var scope = NewDisposeScope();
        return ((state - (from.Signal * picture)) / from.Noise).MoveToOuterDisposeScope();
    }

    /// <summary>The same target as a·ε − s·picture.</summary>
    public static Tensor Velocity(Tensor state, Tensor picture, DiffusionPoint from)
    {
        using var scope = NewDisposeScope();
        return ((from.Signal * Epsilon(state, picture, from)) - (from.Noise * picture)).MoveToOuterDisposeScope();
    }
}
