using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

public sealed class AuraSRUpscalerTests
{
    [Theory]
    [InlineData(16, 16, 1)]
    [InlineData(17, 5, 2)]
    [InlineData(3, 40, 3)]
    [InlineData(1, 1, 1)]
    public void Upscale_AnySize_GivesFourTimesTheSides(long height, long width, int tiles)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var noise = new Numbers();

        var large = new AuraSRUpscaler(net).Upscale(rand([3, height, width]), noise);

        large.shape.ShouldBe([3, 4 * height, 4 * width]);
        noise.Asked.ShouldBe(tiles);
        large.min().item<float>().ShouldBeGreaterThanOrEqualTo(0);
        large.max().item<float>().ShouldBeLessThanOrEqualTo(1);
    }

    [Fact]
    public void UpscaleOverlapped_TwoByOneTiles_TakesThreeByTwoMore()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var noise = new Numbers();
        var told = new List<(int, int)>();

        var large = new AuraSRUpscaler(net, maxBatch: 4) { OnTiles = (done, total) => told.Add((done, total)) }.UpscaleOverlapped(rand([3, 20, 16]), noise);

        large.shape.ShouldBe([3, 80, 64]);
        noise.Asked.ShouldBe(2 + 6);
        told.ShouldBe([(2, 8), (6, 8), (8, 8)]);
    }

    [Fact]
    public void Upscale_WithImageNoise_ChangesThePicture()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var picture = rand([3, 16, 16]);

        var plain = new AuraSRUpscaler(net).Upscale(picture, new Numbers());
        var again = new AuraSRUpscaler(net).Upscale(picture, new Numbers());
        var noisy = new AuraSRUpscaler(net).Upscale(picture, new Numbers { WithImage = true });

        plain.Equals(again).ShouldBeTrue();
        plain.Equals(noisy).ShouldBeFalse();
    }

    [Fact]
    public void ToBytes_Fractions_AreCutOff()
    {
        using var scope = NewDisposeScope();
        var picture = tensor(new[] { 0f, 0.5f, 1f, 0.9999f, 0.25f, 0.001f }).reshape(3, 1, 2);

        AuraSRUpscaler.ToBytes(picture).data<byte>().ToArray().ShouldBe(new byte[] { 0, 255, 63, 127, 254, 0 });
    }

    [Fact]
    public void TileWeights_OfATile_PeakInTheMiddleAndAreEven()
    {
        using var scope = NewDisposeScope();
        var weights = AuraSRUpscaler.TileWeights(8);
        var values = TinyNetworks.Values(weights);

        values.Max().ShouldBe(1);
        values[27].ShouldBe(1, 1e-6f); // (3, 3)
        values.ShouldBe(values.Reverse().ToArray());

        // From (3, 3) to (0, 0): exp(−16·(1 + 1)) against exp(−16·2/49).
        values[0].ShouldBe((float)(Math.Exp(-32) / Math.Exp(-32.0 / 49)), 1e-17f);
    }

    private sealed class Numbers : IUpscaleNoise
    {
        public int Asked { get; private set; }

        public bool WithImage { get; init; }

        public Tensor Styles(long tiles, int width)
        {
            Asked += (int)tiles;
            return ones([tiles, width]);
        }

        public Tensor? Image(long[] shape) => WithImage ? ones(shape) * 20 : null;
    }
}
