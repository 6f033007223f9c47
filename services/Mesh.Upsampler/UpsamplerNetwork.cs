using Mesh.Models.Networks;

namespace Mesh.Upsampler;

/// <summary>An upsampler in memory.</summary>
/// <param name="network">The network, on the device that it is to compute on.</param>
internal sealed class UpsamplerNetwork(AuraSR network) : IDisposable
{
    /// <summary>What the network was built from.</summary>
    public AuraSRConfig Config => network.Config;

    /// <summary>Runs it, a tile at a time.</summary>
    public AuraSRUpscaler Upscaler { get; } = new(network);

    public void Dispose() => network.Dispose();
}

/// <summary>Tiles of any pictures may follow each other: the model is all that they share.</summary>
internal readonly record struct AnyPicture;

/// <summary>A finished part of an enlarged picture.</summary>
/// <param name="X">Left edge in the enlarged picture.</param>
/// <param name="Y">Upper edge.</param>
/// <param name="Height">In pixels.</param>
/// <param name="Width">In pixels.</param>
/// <param name="Pixels">[height, width, 3].</param>
internal sealed record FinishedTile(int X, int Y, int Height, int Width, byte[] Pixels);
