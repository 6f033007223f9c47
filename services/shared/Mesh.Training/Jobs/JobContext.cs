using Mesh.Training.Runs;

namespace Mesh.Training.Jobs;

/// <summary>What a job runs in.</summary>
/// <param name="Folder">Where everything that it makes goes.</param>
/// <param name="Resume">Whether it goes on from what lies there.</param>
/// <param name="Tell">Told of every event, on the job's own thread.</param>
/// <param name="Cancel">Stops it within a step.</param>
public sealed record JobContext(RunFolder Folder, bool Resume, Action<TrainingEvent> Tell, CancellationToken Cancel);

/// <summary>A job whose configuration was checked, field by field and file by file; nothing large was loaded or written for that.</summary>
public interface IJobPlan
{
    /// <summary>Its kind, such as <c>flow</c>.</summary>
    string Kind { get; }

    /// <summary>The configuration with every default written out, as YAML.</summary>
    string Resolved { get; }

    /// <summary>Does the work.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; what lies in the folder can be resumed.</exception>
    void Run(JobContext context);

    /// <summary>One step without writing anything; a line for each thing worth knowing.</summary>
    IReadOnlyList<string> Rehearse();
}
