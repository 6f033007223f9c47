namespace Mesh.Models.Samplers;

/// <summary>The timesteps of a run, highest first, as the reference's schedulers lay them. Rounding is half to even throughout.</summary>
internal static class Timesteps
{
    /// <summary>DDIM's and, but for linspace, Euler's.</summary>
    public static double[] Spaced(SchedulerConfig config, int count)
    {
        var total = config.TrainTimesteps;
        return config.Spacing switch
        {
            TimestepSpacing.Leading => Down(count, i => (i * (total / count)) + config.StepsOffset),
            TimestepSpacing.Trailing => Trailing(total, count),
            _ => Down(count, i => Math.Round(Linspace(total - 1, count, i))),
        };
    }

    /// <summary>Euler's: linspace is not rounded, but kept in float32.</summary>
    public static double[] Euler(SchedulerConfig config, int count) => config.Spacing == TimestepSpacing.Linspace
        ? Down(count, i => (float)Linspace(config.TrainTimesteps - 1, count, i))
        : Spaced(config, count);

    /// <summary>DPM-Solver's: one more than asked for, without the last.</summary>
    public static double[] DpmSolver(SchedulerConfig config, int count)
    {
        var total = config.TrainTimesteps;
        return config.Spacing switch
        {
            TimestepSpacing.Leading => Down(count + 1, i => (i * (total / (count + 1))) + config.StepsOffset)[..^1],
            TimestepSpacing.Trailing => Trailing(total, count),
            _ => Down(count + 1, i => Math.Round(Linspace(total - 1, count + 1, i)))[..^1],
        };
    }

    /// <summary>LCM's and TCD's: every so many of the steps that the model was distilled on.</summary>
    /// <exception cref="ArgumentException">More steps than the model knows.</exception>
    public static double[] Distilled(SchedulerConfig config, int count)
    {
        if (count > config.OriginalSteps)
            throw new ArgumentException($"{count} steps of a model that was distilled on {config.OriginalSteps}", nameof(count));
        var stride = config.TrainTimesteps / config.OriginalSteps;
        return [.. Enumerable.Range(0, count).Select(i => (double)((stride * (config.OriginalSteps - (int)Math.Floor(i * ((double)config.OriginalSteps / count)))) - 1))];
    }

    private static double[] Trailing(int total, int count)
    {
        // The reference counts down by a step that it rounded once, which moves one tie among the first sixty counts.
        var step = total - ((double)total / count) - total;
        return [.. Enumerable.Range(0, count).Select(i => Math.Round(total + (i * step)) - 1)];
    }

    private static double Linspace(double last, int count, int index) => count == 1 ? 0 : index == count - 1 ? last : index * (last / (count - 1));

    private static double[] Down(int count, Func<int, double> value) => [.. Enumerable.Range(0, count).Reverse().Select(value)];
}
