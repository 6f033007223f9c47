namespace Mesh.Imaging;

/// <summary>The file formats that are read and written.</summary>
public enum ImageFormat
{
    /// <summary>Lossless; carries text.</summary>
    Png,

    /// <summary>Lossy, no transparency.</summary>
    Jpeg,

    /// <summary>Lossy or lossless.</summary>
    WebP,
}
