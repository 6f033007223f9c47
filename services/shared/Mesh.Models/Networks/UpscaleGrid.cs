namespace Mesh.Models.Networks;

/// <summary>One run of the network.</summary>
/// <param name="Index">Counted over both passes, as <see cref="IUpscaleNoise"/> counts.</param>
/// <param name="IsSecond">Whether it is of the pass that lies half a tile off.</param>
/// <param name="Row">In its pass.</param>
/// <param name="Column">In its pass.</param>
/// <param name="Finishes">The place of the part that can be blended and sent once this tile is there; null where more is missing.</param>
internal readonly record struct UpscaleTile(int Index, bool IsSecond, int Row, int Column, (int Row, int Column)? Finishes);

/// <summary>How a picture is cut into tiles, and in which order they are enlarged so that its parts are finished one after the other.</summary>
internal sealed class UpscaleGrid
{
    private readonly int _height;
    private readonly int _width;
    private readonly int _side;

    /// <param name="height">Of the picture, in pixels.</param>
    /// <param name="width">Of the picture, in pixels.</param>
    /// <param name="side">Of a tile, in the picture's pixels.</param>
    /// <param name="overlapped">Whether there is a second pass.</param>
    public UpscaleGrid(int height, int width, int side, bool overlapped)
    {
        (_height, _width, _side) = (height, width, side);
        Rows = (height + side - 1) / side;
        Columns = (width + side - 1) / side;
        Tiles = [.. overlapped ? Overlapped() : Plain()];
    }

    /// <summary>Rows of tiles of the first pass, which are those of the parts too. The second pass has one more.</summary>
    public int Rows { get; }

    /// <summary>Columns, likewise.</summary>
    public int Columns { get; }

    /// <summary>Every tile, in the order in which they are enlarged.</summary>
    public IReadOnlyList<UpscaleTile> Tiles { get; }

    /// <summary>The lines of the picture that a row of tiles reads. Beyond the picture it is mirrored, or its last line repeated where it is too small for that.</summary>
    public long[] Lines(UpscaleTile tile) => Along(tile.Row, tile.IsSecond, Rows, _height);

    /// <summary>The same for columns.</summary>
    public long[] LinesAcross(UpscaleTile tile) => Along(tile.Column, tile.IsSecond, Columns, _width);

    /// <summary>How much of a part lies in the picture, in the picture's pixels.</summary>
    public (int Height, int Width) Inside(int row, int column) =>
        (Math.Min(_side, _height - (row * _side)), Math.Min(_side, _width - (column * _side)));

    private static long Mirror(long line, int length)
    {
        line = Math.Abs(line);
        return Math.Clamp(line < length ? line : (2L * (length - 1)) - line, 0, length - 1);
    }

    // The second pass mirrors what the first has already padded to whole tiles.
    private long[] Along(int place, bool second, int count, int length)
    {
        var lines = new long[_side];
        for (var i = 0; i < _side; i++)
        {
            var line = (long)(place * _side) + i;
            lines[i] = Mirror(second ? Mirror(line - (_side / 2), count * _side) : line, length);
        }

        return lines;
    }

    private IEnumerable<UpscaleTile> Plain()
    {
        for (var i = 0; i < Rows * Columns; i++)
            yield return new(i, false, i / Columns, i % Columns, (i / Columns, i % Columns));
    }

    // Each tile of the first pass, and then those of the four at its corners that an earlier one has not needed.
    private IEnumerable<UpscaleTile> Overlapped()
    {
        UpscaleTile Second(int row, int column, (int, int)? finishes = null) =>
            new((Rows * Columns) + (row * (Columns + 1)) + column, true, row, column, finishes);

        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < Columns; column++)
            {
                yield return new((row * Columns) + column, false, row, column, null);
                if (row == 0 && column == 0) yield return Second(0, 0);
                if (row == 0) yield return Second(0, column + 1);
                if (column == 0) yield return Second(row + 1, 0);
                yield return Second(row + 1, column + 1, (row, column));
            }
        }
    }
}
