namespace Mesh.Training.Configuration;

/// <summary>What is wrong with one field.</summary>
/// <param name="Field">Its path, such as <c>train.rate</c>.</param>
/// <param name="Message">What is wrong.</param>
public sealed record FieldFault(string Field, string Message);

/// <summary>A job's configuration that cannot be used; all faults at once.</summary>
public sealed class JobConfigException : Exception
{
    /// <summary>Faults of fields.</summary>
    public JobConfigException(IReadOnlyList<FieldFault> faults)
        : base(string.Join("; ", (faults ?? []).Select(f => $"{f.Field}: {f.Message}"))) => Faults = faults ?? [];

    /// <summary>One fault.</summary>
    public JobConfigException(string field, string message)
        : this([new FieldFault(field, message)])
    {
    }

    /// <summary>Every fault, in the order in which the fields were read.</summary>
    public IReadOnlyList<FieldFault> Faults { get; }
}
