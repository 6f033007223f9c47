using System.Globalization;
using Mesh.Training.Runs;

namespace Mesh.Cli.Train;

/// <summary>Tells a run's events, a line each, with a bar of how far it is.</summary>
internal sealed class TrainProgress(TextWriter console)
{
    private const int BarWidth = 20;

    /// <summary>Writes a line for an event.</summary>
    public void Tell(TrainingEvent happened)
    {
        var line = happened switch
        {
            RunStarted { ResumedFrom: { } from } started => Invariant($"{started.Parameters:N0} parameters, going on at step {started.Step:N0} of {started.TotalSteps:N0} from {from}"),
            RunStarted started => Invariant($"{started.Parameters:N0} parameters, {started.TotalSteps:N0} steps"),
            CheckpointRefused refused => $"not taken: {refused.Folder}: {refused.Reason}",
            TickPassed tick => Line(tick),
            SamplesWritten samples => Invariant($"step {samples.Step}: {Pairs(samples.Measures)}  {samples.Path}"),
            CheckpointWritten checkpoint => $"kept {checkpoint.Folder}",
            RunFinished finished => Invariant($"done in {Span(finished.Seconds)}: {finished.Result}"),
            _ => happened.ToString() ?? "",
        };
        console.WriteLine(line);
        console.Flush();
    }

    private static string Line(TickPassed tick)
    {
        var filled = (int)(BarWidth * tick.Step / Math.Max(1, tick.TotalSteps));
        var bar = new string('#', filled) + new string('.', BarWidth - filled);
        return Invariant($"[{bar}] {tick.Step}/{tick.TotalSteps}  {Pairs(tick.Losses)}  rate {tick.Rate:G3}  norm {tick.GradientNorm:G3}  ")
            + Invariant($"{tick.ImagesPerSecond:F1} images/s  {Span(tick.SecondsLeft)} left");
    }

    private static string Pairs(IReadOnlyDictionary<string, double> values) => string.Join("  ", values.Select(v => Invariant($"{v.Key} {v.Value:G4}")));

    private static string Span(double seconds)
    {
        var span = TimeSpan.FromSeconds(double.IsFinite(seconds) ? Math.Min(seconds, TimeSpan.MaxValue.TotalSeconds / 2) : 0);
        return span.TotalHours >= 1 ? Invariant($"{(int)span.TotalHours}:{span.Minutes:D2}:{span.Seconds:D2}") : Invariant($"{span.Minutes}:{span.Seconds:D2}");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
