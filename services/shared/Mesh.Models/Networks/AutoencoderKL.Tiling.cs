using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>Large pictures by overlapping tiles that are blended into each other. Norms see one tile at a time, so colours may shift a little.</summary>
public sealed partial class AutoencoderKL
{
    /// <summary>As <see cref="Decode"/>, by tiles where a side is longer than a tile.</summary>
    /// <param name="latent">[B, C, H, W], not scaled.</param>
    /// <param name="tiles">How to cut; null for the reference's tiles.</param>
    public Tensor DecodeTiled(Tensor latent, TileOptions? tiles = null)
    {
        var t = tiles ?? Config.Tiles;
        if (latent.shape[2] <= t.LatentSide && latent.shape[3] <= t.LatentSide)
            return Decode(latent);
        var blend = (int)(t.SampleSide * t.Overlap);
        return Tile(latent, t.LatentSide, (int)(t.LatentSide * (1 - t.Overlap)), blend, t.SampleSide - blend, Decode);
    }

    /// <summary>As <see cref="Encode"/>, by tiles where a side is longer than a tile.</summary>
    /// <param name="picture">[B, 3, H, W] in [-1, 1].</param>
    /// <param name="tiles">How to cut; null for the reference's tiles.</param>
    public DiagonalGaussian EncodeTiled(Tensor picture, TileOptions? tiles = null)
    {
        var t = tiles ?? Config.Tiles;
        if (picture.shape[2] <= t.SampleSide && picture.shape[3] <= t.SampleSide)
            return Encode(picture);
        var blend = (int)(t.LatentSide * t.Overlap);
        using var moments = Tile(picture, t.SampleSide, (int)(t.SampleSide * (1 - t.Overlap)), blend, t.LatentSide - blend, Moments);
        return new DiagonalGaussian(moments);
    }

    /// <summary>Cuts, runs, blends and joins. A blended tile replaces the tile, so its later neighbours see it blended.</summary>
    private static Tensor Tile(Tensor input, int side, int step, int blend, int keep, Func<Tensor, Tensor> run)
    {
        if (step <= 0 || keep <= 0)
            throw new ArgumentException($"tiles of {side} with a step of {step} do not cover anything");
        using var scope = NewDisposeScope();
        var rows = new List<Tensor>();
        Tensor[]? above = null;
        for (var top = 0L; top < input.shape[2]; top += step)
        {
            var current = new List<Tensor>();
            var kept = new List<Tensor>();
            for (var left = 0L; left < input.shape[3]; left += step)
            {
                // 1. One tile, smaller at the right and bottom edge.
                var height = Math.Min(side, input.shape[2] - top);
                var width = Math.Min(side, input.shape[3] - left);
                var tile = run(input.narrow(2, top, height).narrow(3, left, width));

                // 2. Its top and left edges fade out of the neighbours'.
                if (above is not null)
                    tile = Blend(above[current.Count], tile, 2, blend);
                if (current.Count > 0)
                    tile = Blend(current[^1], tile, 3, blend);
                current.Add(tile);
                kept.Add(tile.narrow(2, 0, Math.Min(keep, tile.shape[2])).narrow(3, 0, Math.Min(keep, tile.shape[3])));
            }

            above = [.. current];
            rows.Add(cat(kept, 3));
        }

        return cat(rows, 2).MoveToOuterDisposeScope();
    }

    /// <summary>Fades the first <paramref name="extent"/> lines of <paramref name="after"/> out of the last of <paramref name="before"/>.</summary>
    private static Tensor Blend(Tensor before, Tensor after, int dim, int extent)
    {
        var length = Math.Min(Math.Min(before.shape[dim], after.shape[dim]), extent);
        if (length == 0)
            return after;
        using var scope = NewDisposeScope();
        var weight = (arange(length, ScalarType.Float32, after.device) / length).to(after.dtype); // y / b
        weight = dim == 2 ? weight.unsqueeze(1) : weight;
        var faded = (before.narrow(dim, before.shape[dim] - length, length) * (1 - weight)) + (after.narrow(dim, 0, length) * weight);
        return cat([faded, after.narrow(dim, length, after.shape[dim] - length)], dim).MoveToOuterDisposeScope();
    }
}
