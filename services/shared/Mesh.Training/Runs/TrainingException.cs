namespace Mesh.Training.Runs;

/// <summary>A run that cannot go on; the message says why.</summary>
public sealed class TrainingException : Exception
{
    /// <summary>A reason.</summary>
    public TrainingException(string message)
        : base(message)
    {
    }
}
