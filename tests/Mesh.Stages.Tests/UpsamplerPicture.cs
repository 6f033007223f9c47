using Mesh.Contracts.Upsampler.V1;
using Mesh.Hosting.Stages;

namespace Mesh.Stages.Tests;

/// <summary>An enlarged picture as its tiles came.</summary>
/// <param name="Tiles">In the order in which they came.</param>
/// <param name="Last">What came after them.</param>
internal sealed record UpsamplerPicture(IReadOnlyList<Tile> Tiles, UpscaleResponse Last)
{
    /// <summary>Reads the answers to one piece of work on a stream that carries no other.</summary>
    public static async Task<UpsamplerPicture> ReadAsync(WorkCall<UpscaleRequest, UpscaleResponse> call)
    {
        var tiles = new List<Tile>();
        while (true)
        {
            var answer = await call.NextAsync();
            if (answer.OutcomeCase != UpscaleResponse.OutcomeOneofCase.Tile) return new(tiles, answer);
            tiles.Add(answer.Tile);
        }
    }

    /// <summary>A picture of noise.</summary>
    public static UpscaleRequest Request(long id, int height, int width, ulong seed = 0, bool overlapped = false)
    {
        var pixels = new byte[height * width * 3];
        new Random((int)(height + (width * 7) + (long)seed)).NextBytes(pixels);
        return new() { Id = id, Pixels = WireTensors.OfBytes(pixels, height, width, 3), Seed = seed, Overlapped = overlapped };
    }

    /// <summary>The whole picture, [height, width, 3]. Every pixel must be covered once.</summary>
    public byte[] Whole()
    {
        Last.OutcomeCase.ShouldBe(UpscaleResponse.OutcomeOneofCase.Done, Last.Failure?.Message);
        var (height, width) = (Last.Done.HeightPx, Last.Done.WidthPx);
        var whole = new byte[height * width * 3];
        var covered = new byte[height * width];
        foreach (var tile in Tiles)
        {
            var (rows, columns) = ((int)tile.Pixels.Shape[0], (int)tile.Pixels.Shape[1]);
            tile.Pixels.Data.Length.ShouldBe(rows * columns * 3);
            for (var y = 0; y < rows; y++)
            {
                tile.Pixels.Data.Span.Slice(y * columns * 3, columns * 3).CopyTo(whole.AsSpan((((tile.YPx + y) * width) + tile.XPx) * 3));
                foreach (ref var times in covered.AsSpan(((tile.YPx + y) * width) + tile.XPx, columns)) times++;
            }
        }
        covered.All(x => x == 1).ShouldBeTrue("a pixel is covered twice or not at all");
        return whole;
    }
}
