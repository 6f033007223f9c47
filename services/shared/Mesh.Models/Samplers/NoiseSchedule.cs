namespace Mesh.Models.Samplers;

/// <summary>
/// The training schedule of a diffusion model: ā(t), the share of the signal's variance at each training step. β and ā are rounded to float32 as the
/// reference keeps them; everything else is double.
/// </summary>
public sealed class NoiseSchedule
{
    // What Euler and DPM-Solver put in place of ā = 0 at the end of a schedule without signal.
    private const double LeastAlpha = 1.0 / (1 << 24);

    private readonly double[] _alphas;
    private readonly double[] _sigmas;

    /// <summary>Builds the schedule of a configuration.</summary>
    public NoiseSchedule(SchedulerConfig config)
    {
        var count = config.TrainTimesteps;
        Betas = new float[count];
        var (first, last) = config.ScaledBetas ? (Math.Sqrt(config.BetaStart), Math.Sqrt(config.BetaEnd)) : (config.BetaStart, config.BetaEnd);
        for (var i = 0; i < count; i++)
        {
            var value = (float)(count == 1 ? first : first + ((last - first) * i / (count - 1)));
            Betas[i] = config.ScaledBetas ? value * value : value;
        }

        _alphas = new double[count];
        var product = 1.0;
        for (var i = 0; i < count; i++)
        {
            product *= 1 - Betas[i];
            _alphas[i] = (float)product;
        }

        if (config.ZeroTerminalSnr)
            Stretch(_alphas);
        var floor = config.ZeroTerminalSnr && config.Kind is SamplerKind.Euler or SamplerKind.EulerAncestral or SamplerKind.DpmSolver;
        if (floor)
            _alphas[^1] = Math.Max(_alphas[^1], LeastAlpha);
        _sigmas = [.. _alphas.Select(a => Math.Sqrt((1 - a) / a))];
    }

    /// <summary>β of each training step, before any stretching.</summary>
    public float[] Betas { get; }

    /// <summary>Training steps.</summary>
    public int Count => _alphas.Length;

    /// <summary>The smallest σ, that of step 0.</summary>
    public double LeastSigma => _sigmas[0];

    /// <summary>The largest σ, that of the last step.</summary>
    public double LargestSigma => _sigmas[^1];

    /// <summary>ā of a training step.</summary>
    public double Alpha(int timestep) => _alphas[timestep];

    /// <summary>σ = √((1 − ā)/ā) at a timestep, straight between whole ones.</summary>
    public double Sigma(double timestep)
    {
        var at = Math.Clamp(timestep, 0, Count - 1);
        var below = Math.Min((int)at, Count - 2);
        return Count == 1 ? _sigmas[0] : _sigmas[below] + ((_sigmas[below + 1] - _sigmas[below]) * (at - below));
    }

    /// <summary>The timestep of a σ, straight between whole ones on a logarithmic scale.</summary>
    public double Timestep(double sigma)
    {
        var log = Math.Log(Math.Max(sigma, 1e-10));
        var below = 0;
        while (below < Count - 2 && Math.Log(_sigmas[below + 1]) <= log)
            below++;
        var (low, high) = (Math.Log(_sigmas[below]), Math.Log(_sigmas[below + 1]));
        return below + Math.Clamp((low - log) / (low - high), 0, 1);
    }

    /// <summary>Moves √ā so that its end is 0 and its beginning stays.</summary>
    private static void Stretch(double[] alphas)
    {
        var (first, last) = (Math.Sqrt(alphas[0]), Math.Sqrt(alphas[^1]));
        for (var i = 0; i < alphas.Length; i++)
        {
            var root = (Math.Sqrt(alphas[i]) - last) * first / (first - last);
            alphas[i] = root * root;
        }
    }
}
