namespace Mesh.Models.Lora;

/// <summary>A LoRA file is of a kind that is not applied here, or does not fit the network.</summary>
public sealed class LoraFormatException : Exception
{
    /// <inheritdoc/>
    public LoraFormatException()
    {
    }

    /// <inheritdoc/>
    public LoraFormatException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public LoraFormatException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
