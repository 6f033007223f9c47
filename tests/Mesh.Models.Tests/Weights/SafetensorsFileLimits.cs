namespace Mesh.Models.Tests.Weights;

/// <summary>Sizes at which the reader behaves otherwise.</summary>
internal static class SafetensorsFileLimits
{
    /// <summary>What is copied at once: larger tensors take several rounds.</summary>
    public const int PieceBytes = 16 << 20;
}
