using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Training.Flow;

/// <summary>How the times of a batch are drawn.</summary>
public enum TimeLaw
{
    /// <summary>Evenly over [least, 1).</summary>
    Uniform,

    /// <summary>The sigmoid of a normal, so that the middle of the path is seen most.</summary>
    LogitNormal,

    /// <summary>One in each of as many equal parts of [0, 1) as there are samples.</summary>
    Stratified,

    /// <summary>Whole multiples of 1/steps: distillation to that many steps.</summary>
    Steps,

    /// <summary>Always 0, pure noise: distillation to one step.</summary>
    Noise,
}

/// <summary>A distribution of flow times. Draws come from a generator of its own kind, the same on every device and in every library.</summary>
/// <param name="Law">The law.</param>
/// <param name="Least">The least time of <see cref="TimeLaw.Uniform"/>; the original rectified flow starts at 0.001.</param>
/// <param name="Steps">The number of steps of <see cref="TimeLaw.Steps"/>.</param>
/// <param name="NoiseShare">Which share of the samples is set to 0 afterwards, from 0 to 1.</param>
public sealed record FlowTimes(TimeLaw Law, double Least = 0, int Steps = 1, double NoiseShare = 0)
{
    /// <summary>Draws one time for each sample.</summary>
    /// <returns>[count], float32, on the CPU.</returns>
    public Tensor Draw(TorchGenerator random, int count)
    {
        var times = new float[count];
        Fill(random, times);
        if (NoiseShare > 0)
        {
            var choices = new float[count];
            random.Uniforms(choices);
            for (var i = 0; i < count; i++)
                times[i] = choices[i] < NoiseShare ? 0 : times[i];
        }

        return tensor(times);
    }

    private void Fill(TorchGenerator random, float[] times)
    {
        switch (Law)
        {
            case TimeLaw.Uniform:
                random.Uniforms(times);
                if (Least > 0)
                    Each(times, u => (u * (float)(1 - Least)) + (float)Least);
                break;
            case TimeLaw.LogitNormal:
                random.Normals(times);
                Each(times, n => 1 / (1 + MathF.Exp(-n)));
                break;
            case TimeLaw.Stratified:
                random.Uniforms(times);
                for (var i = 0; i < times.Length; i++)
                    times[i] = (i + times[i]) / times.Length;
                break;
            case TimeLaw.Steps:
                var chosen = new long[times.Length];
                random.Integers(0, Steps, chosen);
                for (var i = 0; i < times.Length; i++)
                    times[i] = chosen[i] / (float)Steps;
                break;
            default:
                Array.Clear(times);
                break;
        }
    }

    private static void Each(float[] values, Func<float, float> change)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = change(values[i]);
    }
}
