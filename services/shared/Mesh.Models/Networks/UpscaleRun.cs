using static TorchSharp.torch;

namespace Mesh.Models.Networks;

/// <summary>A finished part of an enlarged picture. Parts do not overlap; together they are the whole. The caller disposes of it.</summary>
/// <param name="X">Left edge in the enlarged picture.</param>
/// <param name="Y">Upper edge.</param>
/// <param name="Pixels">[3, height, width] in [0, 1], float32.</param>
public sealed record UpscaledPart(int X, int Y, Tensor Pixels) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Pixels.Dispose();
}

/// <summary>
/// One picture on its way through an upsampler, tile by tile. Between two tiles it holds the picture and, where passes overlap, the lower halves of
/// one row of enlarged tiles and at most three whole ones: what is finished leaves, so memory follows the picture's width and not its area.
/// It may be taken up by one thread after another, not by several at once. <see cref="AuraSRUpscaler.Step(UpscaleRun)"/> moves it on.
/// </summary>
public sealed class UpscaleRun : IDisposable
{
    private readonly AuraSRConfig _config;
    private readonly Tensor _picture;
    private readonly IUpscaleNoise _noise;
    private readonly UpscaleGrid _grid;
    private readonly Overlap? _overlap;
    private int _taken;

    /// <param name="config">Of the network that will enlarge.</param>
    /// <param name="picture">[3, h, w], in [0, 1] or bytes. It is read until the last tile, and the caller disposes of it after that.</param>
    /// <param name="noise">Random numbers.</param>
    /// <param name="blend">How two passes, half a tile apart, are weighed; null for a single pass.</param>
    public UpscaleRun(AuraSRConfig config, Tensor picture, IUpscaleNoise noise, OverlapBlend? blend)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(picture);
        if (picture.shape is not [var channels, >= 1 and <= int.MaxValue, >= 1 and <= int.MaxValue] || channels != config.Channels)
            throw new ArgumentException($"a picture has the shape [{config.Channels}, height, width], not [{string.Join(", ", picture.shape)}]", nameof(picture));
        (_config, _picture, _noise) = (config, picture, noise);
        _grid = new UpscaleGrid((int)picture.shape[1], (int)picture.shape[2], config.InputImageSize, blend is not null);
        _overlap = blend is { } how ? new Overlap(config.ImageSize, _grid.Rows, _grid.Columns, how) : null;
    }

    /// <summary>Height of the enlarged picture.</summary>
    public int Height => (int)_picture.shape[1] * _config.Scale;

    /// <summary>Width of the enlarged picture.</summary>
    public int Width => (int)_picture.shape[2] * _config.Scale;

    /// <summary>How often the network runs for this picture.</summary>
    public int Tiles => _grid.Tiles.Count;

    /// <summary>How often it has run.</summary>
    public int TilesDone { get; private set; }

    /// <summary>Whether every part has left.</summary>
    public bool IsFinished => TilesDone == Tiles;

    /// <summary>Tiles that have not been taken by <see cref="Take"/>.</summary>
    internal int Left => Tiles - _taken;

    /// <summary>The next tile for the network: [1, 3, side, side], its style [1, dim_in] and its noise.</summary>
    internal (Tensor Pixels, Tensor Style, Tensor? Noise) Take()
    {
        using var scope = NewDisposeScope();
        var tile = _grid.Tiles[_taken++];
        using var rows = tensor(_grid.Lines(tile), ScalarType.Int64, _picture.device);
        using var columns = tensor(_grid.LinesAcross(tile), ScalarType.Int64, _picture.device);
        var pixels = _picture.index_select(1, rows).index_select(2, columns).unsqueeze(0); // [1, 3, side, side]
        if (pixels.dtype == ScalarType.Byte)
            pixels = pixels.to(ScalarType.Float32) / byte.MaxValue;
        var noise = _noise.Image(tile.Index, pixels.shape);
        return (pixels.MoveToOuterDisposeScope(), _noise.Style(tile.Index, _config.StyleInput).MoveToOuterDisposeScope(), noise?.MoveToOuterDisposeScope());
    }

    /// <summary>Takes in what the network made of the first tile that was taken and not yet given back.</summary>
    /// <param name="large">[3, size, size] in [0, 1], float32; the caller's.</param>
    /// <returns>The part that it finishes, if it does.</returns>
    internal UpscaledPart? Give(Tensor large)
    {
        using var scope = NewDisposeScope();
        var tile = _grid.Tiles[TilesDone++];
        _overlap?.Add(tile, large);
        if (tile.Finishes is not var (row, column))
            return null;
        var (height, width) = _grid.Inside(row, column);
        var whole = _overlap is null ? large : _overlap.Blend(row, column);
        var inside = whole.narrow(1, 0, height * _config.Scale).narrow(2, 0, width * _config.Scale);

        // A copy: what it was cut from leaves with the scope, or is another's.
        return new(column * _config.ImageSize, row * _config.ImageSize, inside.clone().MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose() => _overlap?.Dispose();
}
