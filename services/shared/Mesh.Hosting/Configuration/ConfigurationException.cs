namespace Mesh.Hosting.Configuration;

/// <summary>The process cannot start as it is configured. Every fault is told at once; there is no use in a stack trace.</summary>
public sealed class ConfigurationException(IReadOnlyList<string> faults) : Exception(string.Join(Environment.NewLine, faults))
{
    public ConfigurationException(string fault) : this([fault])
    {
    }

    /// <summary>One line each: which key, what is wrong, what would be right.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;
}
