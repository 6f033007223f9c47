using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

/// <summary>What streaming must equal bit for bit: both passes over whole padded pictures, pasted together and then blended, as the reference describes it.</summary>
internal sealed class WholePictureUpscaler(AuraSR network, IUpscaleNoise noise)
{
    private readonly long _side = network.Config.InputImageSize;
    private readonly long _size = network.Config.ImageSize;

    public Tensor Upscale(Tensor picture, OverlapBlend? blend)
    {
        var padded = Pad(Pad(picture, 1, 0, -picture.shape[1] % _side), 2, 0, -picture.shape[2] % _side);
        var first = Pass(padded, 0);
        var result = first;
        if (blend is { } how)
        {
            var half = _side / 2;
            var tiles = padded.shape[1] / _side * (padded.shape[2] / _side);
            var second = Pass(Pad(Pad(padded, 1, half, half), 2, half, half), (int)tiles);
            second = second.narrow(1, _size / 2, first.shape[1]).narrow(2, _size / 2, first.shape[2]);
            result = how == OverlapBlend.Constant ? (first + second) * 0.5 : Checkerboard(first, second);
        }

        return result.narrow(1, 0, picture.shape[1] * network.Config.Scale).narrow(2, 0, picture.shape[2] * network.Config.Scale).contiguous();
    }

    private static Tensor Pad(Tensor picture, int dim, long before, long after)
    {
        var length = picture.shape[dim];
        after = ((after % 16) + 16) % 16; // not C#'s sign; 16 is the side of the tiny network's tiles
        var order = Enumerable.Range(0, (int)(before + length + after)).Select(i => Math.Abs(i - before))
            .Select(i => i < length ? i : (2 * (length - 1)) - i).Select(i => Math.Clamp(i, 0, length - 1)).ToArray();
        return picture.index_select(dim, tensor(order, ScalarType.Int64));
    }

    private Tensor Pass(Tensor padded, int index)
    {
        var rows = new List<Tensor>();
        for (var y = 0L; y < padded.shape[1]; y += _side)
        {
            var row = new List<Tensor>();
            for (var x = 0L; x < padded.shape[2]; x += _side)
            {
                var tile = padded.narrow(1, y, _side).narrow(2, x, _side).unsqueeze(0).contiguous();
                row.Add(network.call(tile, noise.Style(index, network.Config.StyleInput), noise.Image(index, tile.shape))[0].clamp(0, 1));
                index++;
            }

            rows.Add(cat([.. row], 2));
        }

        return cat([.. rows], 1);
    }

    private Tensor Checkerboard(Tensor first, Tensor second)
    {
        var weights = AuraSRUpscaler.TileWeights((int)_size);
        var (rows, columns) = (first.shape[1] / _size, first.shape[2] / _size);
        var p = weights.repeat(rows, columns);
        var q = weights.roll([_size / 2, _size / 2], [0L, 1L]).repeat(rows, columns);
        return ((p * first) + (q * second)) / (p + q);
    }
}
