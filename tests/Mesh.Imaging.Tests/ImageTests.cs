namespace Mesh.Imaging.Tests;

public sealed class ImageTests
{
    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(1, -1, 0)]
    [InlineData(2, 2, 11)]
    public void Create_SizesThatDisagree_Throws(int width, int height, int bytes) => Should.Throw<ArgumentException>(() => new Image(width, height, new byte[bytes]));

    [Fact]
    public void Crop_ThenPaste_RestoresThePicture()
    {
        var image = Pictures.Smooth(20, 15);
        var part = image.Crop(3, 4, 10, 7);
        var ground = Image.Filled(20, 15, 0, 0, 0);

        ground.Paste(part, 3, 4);

        ground.Crop(3, 4, 10, 7).Pixels.ShouldBe(part.Pixels);
        part.Pixels.AsSpan(0, 3).ToArray().ShouldBe(image.Pixels.AsSpan(((4 * 20) + 3) * 3, 3).ToArray());
        ground.Pixels.AsSpan(0, 3).ToArray().ShouldBe([0, 0, 0]);
    }

    [Theory]
    [InlineData(-1, 0, 2, 2)]
    [InlineData(0, 0, 21, 2)]
    [InlineData(19, 0, 2, 2)]
    [InlineData(0, 0, 0, 2)]
    public void Crop_Outside_Throws(int left, int top, int width, int height) =>
        Should.Throw<ArgumentException>(() => Pictures.Smooth(20, 15).Crop(left, top, width, height));

    [Theory]
    [InlineData(64, 64, 64, 0)]
    [InlineData(200, 150, 64, 8)]
    [InlineData(65, 64, 64, 16)]
    [InlineData(30, 500, 64, 0)]
    [InlineData(1, 1, 64, 63)]
    public void Cover_AnySize_CoversEveryPixelWithTheOverlap(int width, int height, int side, int overlap)
    {
        var tiles = TileGrid.Cover(width, height, side, overlap);

        var seen = new bool[width * height];
        foreach (var tile in tiles)
        {
            (tile.Width, tile.Height).ShouldBe((Math.Min(side, width), Math.Min(side, height)));
            for (var y = tile.Top; y < tile.Top + tile.Height; y++)
                Array.Fill(seen, true, (y * width) + tile.Left, tile.Width);
        }

        seen.ShouldAllBe(s => s);
        var lefts = tiles.Select(t => t.Left).Distinct().ToArray();
        lefts.Zip(lefts.Skip(1)).ShouldAllBe(p => p.Second - p.First <= side - overlap);
    }
}
