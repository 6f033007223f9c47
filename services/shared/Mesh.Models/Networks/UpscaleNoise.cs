using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>
/// Where an enlargement gets its random numbers from. They are asked for by tile and in any order, each tile once: those of the first pass are
/// counted row by row from 0, those of the second, overlapping pass go on where the first ends.
/// </summary>
public interface IUpscaleNoise
{
    /// <summary>The style vector of one tile, [1, <paramref name="width"/>].</summary>
    Tensor Style(int tile, int width);

    /// <summary>Normal numbers of the tile's shape, of which a thousandth is added to it; null for none, so that only styles are random.</summary>
    Tensor? Image(int tile, long[] shape);
}

/// <summary>
/// Style vectors from a seed: those of tile 0, 1, … are what successive calls of <c>torch.randn(1, width)</c> give after
/// <c>torch.manual_seed(seed)</c>, so the first pass has the same ones whether or not a second follows. Nothing is added to the picture.
/// </summary>
public sealed class SeededUpscaleNoise : IUpscaleNoise
{
    private readonly TorchGenerator _generator;
    private readonly List<float[]> _styles = [];

    /// <param name="seed">Of which the low 32 bits count.</param>
    public SeededUpscaleNoise(ulong seed) => _generator = new TorchGenerator(unchecked((long)seed));

    /// <inheritdoc/>
    public Tensor Style(int tile, int width)
    {
        while (_styles.Count <= tile)
        {
            var style = new float[width];
            _generator.Normals(style);
            _styles.Add(style);
        }

        return tensor(_styles[tile], [1, width]);
    }

    /// <inheritdoc/>
    public Tensor? Image(int tile, long[] shape) => null;
}
