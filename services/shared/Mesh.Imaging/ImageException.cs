namespace Mesh.Imaging;

/// <summary>Bytes that are no picture, or one that is not taken. The message is fit for whoever sent them.</summary>
public sealed class ImageException : Exception
{
    public ImageException()
    {
    }

    public ImageException(string message)
        : base(message)
    {
    }

    public ImageException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
