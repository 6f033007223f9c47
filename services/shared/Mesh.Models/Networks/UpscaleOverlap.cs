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

/// <summary>
/// What two passes half a tile apart have left to blend. A tile of the first pass meets four of the second, one at each of its corners. The upper two
/// have only their lower halves left to give; the lower two give their upper halves now, and what stays of them is above the next row.
/// </summary>
internal sealed class Overlap : IDisposable
{
    private readonly int _rows;
    private readonly int _columns;
    private readonly long _half;
    private readonly OverlapBlend _blend;
    private readonly Tensor _weights;
    private readonly Tensor?[] _above;
    private Tensor? _first;
    private Tensor? _left;
    private Tensor? _right;

    public Overlap(int size, int rows, int columns, OverlapBlend blend)
    {
        (_rows, _columns, _half, _blend) = (rows, columns, size / 2, blend);
        _above = new Tensor?[columns + 1];
        _weights = AuraSRUpscaler.TileWeights(size).DetachFromDisposeScope();
    }

    /// <summary>Takes in an enlarged tile, [3, size, size]; the caller's.</summary>
    public void Add(UpscaleTile tile, Tensor large)
    {
        if (!tile.IsSecond)
            Put(ref _first, large.alias());
        else if (tile.Row == 0)
            _above[tile.Column] = LowerHalf(large);
        else if (tile.Column == 0)
            Put(ref _left, large.alias());
        else
            Put(ref _right, large.alias());
    }

    /// <summary>The blended part in the place of one tile of the first pass, [3, size, size]; what no other part needs is let go.</summary>
    public Tensor Blend(int row, int column)
    {
        using var scope = NewDisposeScope();
        Tensor first = _first!, upperLeft = _above[column]!, upperRight = _above[column + 1]!, left = _left!, right = _right!;

        // 1. The second pass where the first one's tile is.
        var upper = cat([upperLeft.narrow(2, _half, _half), upperRight.narrow(2, 0, _half)], 2); // [3, size/2, size]
        var lower = cat([left.narrow(1, 0, _half).narrow(2, _half, _half), right.narrow(1, 0, _half).narrow(2, 0, _half)], 2); // [3, size/2, size]
        var second = cat([upper, lower], 1); // [3, size, size]

        // 2. The weighted mean.
        var mean = _blend == OverlapBlend.Constant ? (first + second) * 0.5 : Checkerboard(first, second);

        // 3. One column on: nothing above the left tile is needed, and of that tile only what lies above the next row.
        MoveOn(row, column, upperLeft, upperRight);
        return mean.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _above)
            tensor?.Dispose();
        _first?.Dispose();
        _left?.Dispose();
        _right?.Dispose();
        _weights.Dispose();
    }

    private static void Put(ref Tensor? place, Tensor? value)
    {
        place?.Dispose();
        place = value?.DetachFromDisposeScope();
    }

    private Tensor LowerHalf(Tensor large) => large.narrow(1, _half, _half).clone().DetachFromDisposeScope();

    private Tensor Checkerboard(Tensor first, Tensor second)
    {
        var p = _weights.to(first.device); // peaks in the middle of the first pass's tile
        var q = p.roll([_half, _half], [0L, 1L]); // and at its corners
        return ((p * first) + (q * second)) / (p + q);
    }

    private void MoveOn(int row, int column, Tensor upperLeft, Tensor upperRight)
    {
        var isLastRow = row == _rows - 1;
        upperLeft.Dispose();
        _above[column] = isLastRow ? null : LowerHalf(_left!);
        if (column < _columns - 1)
        {
            Put(ref _left, _right!.alias());
        }
        else
        {
            upperRight.Dispose();
            _above[column + 1] = isLastRow ? null : LowerHalf(_right!);
            Put(ref _left, null);
        }

        Put(ref _right, null);
        Put(ref _first, null);
    }
}
