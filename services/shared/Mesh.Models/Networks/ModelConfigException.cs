namespace Mesh.Models.Networks;

/// <summary>A network's configuration asks for something that is not built here, or contradicts itself.</summary>
public sealed class ModelConfigException : Exception
{
    /// <inheritdoc/>
    public ModelConfigException()
    {
    }

    /// <inheritdoc/>
    public ModelConfigException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public ModelConfigException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
