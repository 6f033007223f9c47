namespace Mesh.Imaging;

/// <summary>A part of a picture.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
public readonly record struct Tile(int Left, int Top, int Width, int Height);

/// <summary>Cuts a picture into tiles of one size that together cover it; neighbours overlap by at least what is asked for.</summary>
public static class TileGrid
{
    /// <summary>The tiles row by row from the top left. A side shorter than the tile gives one tile of that side's length.</summary>
    /// <param name="width">Columns of the picture.</param>
    /// <param name="height">Rows of the picture.</param>
    /// <param name="side">Columns and rows of a tile.</param>
    /// <param name="overlap">Least columns or rows that neighbours share; less than <paramref name="side"/>.</param>
    public static IReadOnlyList<Tile> Cover(int width, int height, int side, int overlap)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(side);
        ArgumentOutOfRangeException.ThrowIfNegative(overlap);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(overlap, side);
        var columns = Starts(width, side, overlap);
        return [.. Starts(height, side, overlap).SelectMany(top => columns.Select(left => new Tile(left, top, Math.Min(side, width), Math.Min(side, height))))];
    }

    /// <summary>First places along one side, as even as whole pixels allow.</summary>
    private static int[] Starts(int length, int side, int overlap)
    {
        if (length <= side)
            return [0];
        var step = side - overlap;
        var count = ((length - side + step - 1) / step) + 1;
        return [.. Enumerable.Range(0, count).Select(i => (int)((long)i * (length - side) / (count - 1)))];
    }
}
