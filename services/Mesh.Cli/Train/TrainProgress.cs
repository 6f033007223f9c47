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
            RunStarted started => Invariant($"{started.Parameters:N0} parameters, {started.TotalSteps:N0} steps{(started.ResumedFrom is { } from ? $", going on at step {started.Step} from {from}" : "")}"),
            CheckpointRefused refused => $"not taken: {refused.Folder}: {refused.Reason}",
            TickPassed tick => Line(tick),
            SamplesWritten samples => Invariant($"step {samples.Step}: {string.Join("  ", samples.Measures.Select(m => Invariant($"{m.Key} {m.Value:G4}")))}  {samples.Path}"),
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
        var losses = string.Join("  ", tick.Losses.Select(l => Invariant($"{l.Key} {l.Value:G4}")));
        return Invariant($"[{new string('#', filled)}{new string('.', BarWidth - filled)}] {tick.Step}/{tick.TotalSteps}  {losses}  rate {tick.Rate:G3}  norm {tick.GradientNorm:G3}  ")
            + Invariant($"{tick.ImagesPerSecond:F1} images/s  {Span(tick.SecondsLeft)} left");
    }

    private static string Span(double seconds)
    {
        var span = TimeSpan.FromSeconds(double.IsFinite(seconds) ? Math.Min(seconds, TimeSpan.MaxValue.TotalSeconds / 2) : 0);
        return span.TotalHours >= 1 ? Invariant($"{(int)span.TotalHours}:{span.Minutes:D2}:{span.Seconds:D2}") : Invariant($"{span.Minutes}:{span.Seconds:D2}");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
