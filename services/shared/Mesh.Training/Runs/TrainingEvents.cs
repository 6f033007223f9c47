namespace Mesh.Training.Runs;

/// <summary>Where the time of a stretch of steps went, in seconds.</summary>
/// <param name="Data">Drawing and preparing batches.</param>
/// <param name="Forward">From batch to loss.</param>
/// <param name="Backward">From loss to gradients.</param>
/// <param name="Optimiser">Clipping and updates.</param>
/// <param name="Average">Moving averages.</param>
public sealed record StepTimes(double Data, double Forward, double Backward, double Optimiser, double Average)
{
    /// <summary>All of it.</summary>
    public double Total => Data + Forward + Backward + Optimiser + Average;
}

/// <summary>What a run tells while it goes.</summary>
public abstract record TrainingEvent;

/// <summary>The run begins, or goes on from a checkpoint.</summary>
/// <param name="Parameters">Numbers that are trained.</param>
/// <param name="Step">Steps that were made before.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="ResumedFrom">The checkpoint's folder; null for a fresh run.</param>
public sealed record RunStarted(long Parameters, long Step, long TotalSteps, string? ResumedFrom) : TrainingEvent;

/// <summary>A checkpoint that was passed over because it is not whole.</summary>
/// <param name="Folder">Where it lies.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record CheckpointRefused(string Folder, string Reason) : TrainingEvent;

/// <summary>How far the run is; the same as a line of <c>stats.jsonl</c>.</summary>
/// <param name="Step">Steps made.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Images">Images seen.</param>
/// <param name="Losses">Means since the last tick, by name.</param>
/// <param name="GradientNorm">Mean norm before clipping since the last tick.</param>
/// <param name="Rate">The learning rate of the last step.</param>
/// <param name="ImagesPerSecond">Since the last tick.</param>
/// <param name="SecondsLeft">At that rate.</param>
/// <param name="Seconds">Of all steps since the run began, on whatever machines it ran.</param>
/// <param name="Times">Where the time went since the last tick.</param>
public sealed record TickPassed(
    long Step, long TotalSteps, long Images, IReadOnlyDictionary<string, double> Losses, double GradientNorm, double Rate, double ImagesPerSecond,
    double SecondsLeft, double Seconds, StepTimes Times) : TrainingEvent;

/// <summary>The averaged weights were looked at; the same as a line of <c>samples.jsonl</c>.</summary>
/// <param name="Step">After how many steps.</param>
/// <param name="Path">The picture file, or null.</param>
/// <param name="Measures">Numbers by name.</param>
public sealed record SamplesWritten(long Step, string? Path, IReadOnlyDictionary<string, double> Measures) : TrainingEvent;

/// <summary>A checkpoint was written.</summary>
/// <param name="Folder">Its folder.</param>
/// <param name="Step">After how many steps.</param>
/// <param name="Hash">SHA-256 of its tensors' file.</param>
public sealed record CheckpointWritten(string Folder, long Step, string Hash) : TrainingEvent;

/// <summary>The run is over.</summary>
/// <param name="Result">Folder or file that it made.</param>
/// <param name="Seconds">Of all its steps.</param>
public sealed record RunFinished(string Result, double Seconds) : TrainingEvent;
