using static TorchSharp.torch;

namespace Mesh.Models.Layers;

/// <summary>Sinusoidal embeddings of scalars, computed in float32 as the reference does.</summary>
public static class Sinusoid
{
    private const double Period = 10000;
    private const double GuidanceScale = 1000;

    /// <summary>
    /// f_k = exp(−ln(10000)·k / (width/2 − <paramref name="shift"/>)); cosines of t·f first, then sines, or the other way round. An odd width ends in 0.
    /// </summary>
    /// <param name="values">Timesteps or sizes, any shape; may be fractional.</param>
    /// <param name="width">Length of each embedding.</param>
    /// <param name="cosineFirst">flip_sin_to_cos of the configuration.</param>
    /// <param name="shift">freq_shift of the configuration.</param>
    /// <returns>[number of values, width], float32, on the device of <paramref name="values"/>.</returns>
    public static Tensor Embed(Tensor values, int width, bool cosineFirst, double shift)
    {
        var half = width / 2;
        var frequencies = new float[half];
        for (var k = 0; k < half; k++)
        {
            var exponent = (float)-Math.Log(Period) * k / (float)(half - shift);
            frequencies[k] = (float)Math.Exp(exponent);
        }

        return Waves(values, width, cosineFirst, frequencies);
    }

    /// <summary>The embedding of a guidance scale for networks with time_cond_proj_dim: of (scale − 1)·1000, f_k = exp(−ln(10000)·k / (width/2 − 1)), sines first.</summary>
    /// <param name="scales">One guidance scale an image.</param>
    /// <param name="width">time_cond_proj_dim.</param>
    /// <returns>[number of scales, width], float32.</returns>
    public static Tensor Guidance(IReadOnlyList<double> scales, int width)
    {
        var half = width / 2;
        var step = (float)-(Math.Log(Period) / (half - 1));
        var frequencies = new float[half];
        for (var k = 0; k < half; k++)
            frequencies[k] = (float)Math.Exp(k * step);
        using var values = tensor(scales.Select(s => (float)(s - 1) * (float)GuidanceScale).ToArray());
        return Waves(values, width, cosineFirst: false, frequencies);
    }

    private static Tensor Waves(Tensor values, int width, bool cosineFirst, float[] frequencies)
    {
        using var scope = NewDisposeScope();
        var times = values.detach().to(ScalarType.Float32).cpu().flatten().contiguous().data<float>().ToArray();
        var half = frequencies.Length;
        var waves = new float[times.Length * width];
        for (var row = 0; row < times.Length; row++)
        {
            for (var k = 0; k < half; k++)
            {
                var angle = (double)(times[row] * frequencies[k]);
                var (sine, cosine) = ((float)Math.Sin(angle), (float)Math.Cos(angle));
                waves[(row * width) + k] = cosineFirst ? cosine : sine;
                waves[(row * width) + half + k] = cosineFirst ? sine : cosine;
            }
        }

        return tensor(waves, times.Length, width).to(values.device).MoveToOuterDisposeScope();
    }
}
