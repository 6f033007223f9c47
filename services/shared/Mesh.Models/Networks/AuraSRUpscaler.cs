using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>How the two passes of an overlapped enlargement are weighed.</summary>
public enum OverlapBlend
{
    /// <summary>Each pass counts most in the middle of its tiles.</summary>
    Checkerboard,

    /// <summary>Both count half.</summary>
    Constant,
}

/// <summary>Where an enlargement gets its random numbers from.</summary>
public interface IUpscaleNoise
{
    /// <summary>The next <paramref name="tiles"/> style vectors: [tiles, <paramref name="width"/>], or [1, width] for one style for all.</summary>
    Tensor Styles(long tiles, int width);

    /// <summary>Normal numbers of the tiles' shape, of which a thousandth is added to them; null for none, so that only styles are random.</summary>
    Tensor? Image(long[] shape);
}

/// <summary>Enlarges whole pictures by AuraSR, tile by tile.</summary>
/// <param name="network">The network.</param>
/// <param name="maxBatch">Tiles that go through the network at once.</param>
public sealed class AuraSRUpscaler(AuraSR network, int maxBatch = 8)
{
    private const double Sharpness = 16;

    /// <summary>Told how many tiles of how many are done.</summary>
    public Action<int, int>? OnTiles { get; init; }

    /// <summary>The weight of each pixel of a tile that comes out: exp(−16·d²) of the distance d to its middle, 1 at most.</summary>
    /// <param name="side">Side of the tile.</param>
    /// <returns>[side, side], float32.</returns>
    public static Tensor TileWeights(int side)
    {
        using var scope = NewDisposeScope();
        var line = linspace(-1, 1, side, ScalarType.Float64).square();
        var weights = ((line.unsqueeze(1) + line) * -Sharpness).exp();
        return (weights / weights.max()).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Enlarges by tiles that do not overlap.</summary>
    /// <param name="picture">[3, h, w] in [0, 1].</param>
    /// <param name="noise">Random numbers; style vectors are taken row by row of tiles.</param>
    /// <returns>[3, scale·h, scale·w] in [0, 1].</returns>
    public Tensor Upscale(Tensor picture, IUpscaleNoise noise)
    {
        using var scope = NewDisposeScope();
        var (height, width) = (picture.shape[1], picture.shape[2]);
        var padded = PadToTiles(picture);
        var large = Pass(padded, noise, 0, Tiles(padded));
        return Crop(large, height, width).MoveToOuterDisposeScope();
    }

    /// <summary>Enlarges twice, the second time with tiles whose middles are the corners of the first, and blends the two: no seams, at twice the cost.</summary>
    /// <param name="picture">[3, h, w] in [0, 1].</param>
    /// <param name="noise">Random numbers; those of the first pass are taken first.</param>
    /// <param name="blend">How the passes are weighed.</param>
    /// <returns>[3, scale·h, scale·w] in [0, 1].</returns>
    public Tensor UpscaleOverlapped(Tensor picture, IUpscaleNoise noise, OverlapBlend blend = OverlapBlend.Checkerboard)
    {
        using var scope = NewDisposeScope();
        var side = network.Config.InputImageSize;
        var half = side / 2;
        var (height, width) = (picture.shape[1], picture.shape[2]);

        // 1. Both passes.
        var padded = PadToTiles(picture);
        var shifted = Reflect(Reflect(padded, 1, half, half), 2, half, half);
        var (tiles1, tiles2) = (Tiles(padded), Tiles(shifted));
        var first = Pass(padded, noise, 0, tiles1 + tiles2);
        var second = Pass(shifted, noise, tiles1, tiles1 + tiles2);
        var margin = (long)half * network.Config.Scale;
        second = second.narrow(1, margin, first.shape[1]).narrow(2, margin, first.shape[2]);

        // 2. Their weighted mean.
        var mean = blend == OverlapBlend.Constant ? (first + second) * 0.5 : Checkerboard(first, second);
        return Crop(mean, height, width).MoveToOuterDisposeScope();
    }

    /// <summary>The bytes of a picture in [0, 1], cut off and not rounded, as the reference makes them.</summary>
    /// <param name="picture">[3, h, w].</param>
    /// <returns>[h, w, 3], Byte.</returns>
    public static Tensor ToBytes(Tensor picture)
    {
        using var scope = NewDisposeScope();
        return (picture.permute(1, 2, 0) * 255).to(ScalarType.Byte).contiguous().MoveToOuterDisposeScope();
    }

    private Tensor Checkerboard(Tensor first, Tensor second)
    {
        var side = network.Config.ImageSize;
        var weights = TileWeights(side).to(first.device);
        var (rows, columns) = (first.shape[1] / side, first.shape[2] / side);
        var p = weights.repeat(rows, columns); // peaks in the middle of the first pass's tiles
        var q = weights.roll([side / 2, side / 2], [0, 1]).repeat(rows, columns); // and at their corners
        return ((p * first) + (q * second)) / (p + q);
    }

    private Tensor Pass(Tensor padded, IUpscaleNoise noise, int done, int total)
    {
        using var scope = NewDisposeScope();
        var side = network.Config.InputImageSize;
        var (rows, columns) = (padded.shape[1] / side, padded.shape[2] / side);

        // 1. Tiles, row by row: [rows·columns, 3, side, side].
        var tiles = padded.reshape(-1, rows, side, columns, side).permute(1, 3, 0, 2, 4).reshape(rows * columns, -1, side, side);

        // 2. Through the network.
        var results = new List<Tensor>();
        for (var begin = 0L; begin < tiles.shape[0]; begin += maxBatch)
        {
            using var inner = NewDisposeScope();
            var batch = tiles.narrow(0, begin, Math.Min(maxBatch, tiles.shape[0] - begin)).contiguous();
            var styles = noise.Styles(batch.shape[0], network.Config.StyleInput);
            var large = network.call(batch, styles, noise.Image(batch.shape)).to(ScalarType.Float32).clamp(0, 1);
            results.Add(large.MoveToOuterDisposeScope());
            OnTiles?.Invoke(done + (int)(begin + batch.shape[0]), total);
        }

        // 3. And back into one picture.
        var size = network.Config.ImageSize;
        return cat(results, 0).reshape(rows, columns, -1, size, size).permute(2, 0, 3, 1, 4)
            .reshape(padded.shape[0], rows * size, columns * size).MoveToOuterDisposeScope();
    }

    private int Tiles(Tensor padded)
    {
        var side = network.Config.InputImageSize;
        return (int)(padded.shape[1] / side * (padded.shape[2] / side));
    }

    private Tensor PadToTiles(Tensor picture)
    {
        var side = network.Config.InputImageSize;
        long Missing(long length) => (side - (length % side)) % side;
        return Reflect(Reflect(picture, 1, 0, Missing(picture.shape[1])), 2, 0, Missing(picture.shape[2]));
    }

    private Tensor Crop(Tensor large, long height, long width) =>
        large.narrow(1, 0, height * network.Config.Scale).narrow(2, 0, width * network.Config.Scale).contiguous();

    /// <summary>Mirrors a picture at its edges. Where it is too small to fill the margin so, its last line is repeated.</summary>
    private static Tensor Reflect(Tensor picture, int dim, long before, long after)
    {
        if (before == 0 && after == 0)
            return picture;
        var length = picture.shape[dim];
        var lines = new long[before + length + after];
        for (var i = 0; i < lines.Length; i++)
        {
            var line = Math.Abs(i - before);
            lines[i] = Math.Clamp(line < length ? line : (2 * (length - 1)) - line, 0, length - 1);
        }

        using var index = tensor(lines, ScalarType.Int64, picture.device);
        return picture.index_select(dim, index);
    }
}
