using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

public sealed class AuraSRUpscalerTests
{
    private const int Side = 16;

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
        noise.Asked.Order().ShouldBe(Enumerable.Range(0, tiles));
        large.min().item<float>().ShouldBeGreaterThanOrEqualTo(0);
        large.max().item<float>().ShouldBeLessThanOrEqualTo(1);
    }

    [Theory]
    [InlineData(16, 16)]
    [InlineData(33, 50)]
    [InlineData(48, 20)]
    [InlineData(3, 40)]
    [InlineData(64, 7)]
    [InlineData(1, 1)]
    public void Upscale_AllBlendings_EqualTheWholePictureBitForBit(long height, long width)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var picture = rand([3, height, width]);

        foreach (OverlapBlend? blend in new OverlapBlend?[] { null, OverlapBlend.Checkerboard, OverlapBlend.Constant })
        {
            var whole = new WholePictureUpscaler(net, new SeededUpscaleNoise(5)).Upscale(picture, blend);
            var streamed = new AuraSRUpscaler(net).Upscale(picture, new SeededUpscaleNoise(5), blend);
            TinyNetworks.Values(streamed).ShouldBe(TinyNetworks.Values(whole), $"{blend}");
        }
    }

    [Fact]
    public void Upscale_SeveralTilesAtOnce_GivesTheSamePicture()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var picture = rand([3, 33, 50]);

        var single = new AuraSRUpscaler(net).Upscale(picture, new SeededUpscaleNoise(5), OverlapBlend.Checkerboard);
        var several = new AuraSRUpscaler(net, maxBatch: 5).Upscale(picture, new SeededUpscaleNoise(5), OverlapBlend.Checkerboard);

        // Kernels may add up in another order for another batch.
        (single - several).abs().max().item<float>().ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void Step_SeveralPictures_GivesEachWhatItGetsAlone()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var upscaler = new AuraSRUpscaler(net);
        var pictures = new[] { rand([3, 16, 40]), rand([3, 16, 40]) };
        var runs = pictures.Select((p, i) => new UpscaleRun(net.Config, p, new SeededUpscaleNoise((ulong)i), OverlapBlend.Constant)).ToList();
        var parts = runs.Select(_ => new List<UpscaledPart>()).ToList();

        while (!runs[0].IsFinished)
        {
            var finished = upscaler.Step(runs);
            for (var i = 0; i < runs.Count; i++)
            {
                if (finished[i] is { } part) parts[i].Add(part);
            }
        }

        runs.ForEach(r => r.IsFinished.ShouldBeTrue());
        for (var i = 0; i < runs.Count; i++)
        {
            var alone = upscaler.Stream(pictures[i], new SeededUpscaleNoise((ulong)i), OverlapBlend.Constant).ToList();
            parts[i].Select(p => (p.X, p.Y)).ShouldBe(alone.Select(p => (p.X, p.Y)));
            foreach (var (together, single) in parts[i].Zip(alone))
                (together.Pixels - single.Pixels).abs().max().item<float>().ShouldBeLessThan(1e-4f); // another batch, another order of sums
        }

        runs.ForEach(r => r.Dispose());
    }

    [Fact]
    public void Step_FinishedOrRepeatedPicture_IsRefused()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        using var run = new UpscaleRun(net.Config, rand([3, 16, 16]), new SeededUpscaleNoise(0), null);
        var upscaler = new AuraSRUpscaler(net);

        Should.Throw<ArgumentException>(() => upscaler.Step([run, run]));
        upscaler.Step(run).Count.ShouldBe(1);
        run.IsFinished.ShouldBeTrue();
        Should.Throw<ArgumentException>(() => upscaler.Step([run]));
        upscaler.Step(run).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(null)]
    [InlineData(OverlapBlend.Checkerboard)]
    public void Stream_SeveralTiles_CoversThePictureOnceAndInOrder(OverlapBlend? blend)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var covered = zeros([4 * 33, 4 * 50]);

        var parts = new AuraSRUpscaler(net).Stream(rand([3, 33, 50]), new SeededUpscaleNoise(1), blend).ToList();

        foreach (var part in parts)
            covered.narrow(0, part.Y, part.Pixels.shape[1]).narrow(1, part.X, part.Pixels.shape[2]).add_(1);
        covered.min().item<float>().ShouldBe(1);
        covered.max().item<float>().ShouldBe(1);
        parts.Select(p => (p.Y, p.X)).ShouldBe(parts.Select(p => (p.Y, p.X)).Order());
    }

    [Fact]
    public void Stream_Overlapped_SendsAPartAsSoonAsBothPassesCoverIt()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var noise = new Numbers();

        var runs = new List<int>();
        foreach (var part in new AuraSRUpscaler(net).Stream(rand([3, 2 * Side, 3 * Side]), noise, OverlapBlend.Checkerboard))
        {
            runs.Add(noise.Asked.Count);
            part.Dispose();
        }

        // Itself and its four corners; then two corners fewer, as the part on the left had them; from the second row on the upper ones are there.
        runs.ShouldBe([5, 8, 11, 14, 16, 18]);
        noise.Asked.Order().ShouldBe(Enumerable.Range(0, (2 * 3) + (3 * 4)));
    }

    [Fact]
    public void Stream_Cancelled_StopsAfterTheTile()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        using var cancel = new CancellationTokenSource();
        var noise = new Numbers();

        var stream = new AuraSRUpscaler(net).Stream(rand([3, 64, 64]), noise, null, cancel.Token).GetEnumerator();
        stream.MoveNext().ShouldBeTrue();
        cancel.Cancel();

        Should.Throw<OperationCanceledException>(() => stream.MoveNext());
        noise.Asked.Count.ShouldBe(1);
        stream.Dispose();
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
    public void Upscale_Bytes_EqualsTheirFractions()
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();
        var bytes = randint(0, 256, [3, 20, 20], ScalarType.Byte);

        var ofBytes = new AuraSRUpscaler(net).Upscale(bytes, new SeededUpscaleNoise(3));
        var ofFractions = new AuraSRUpscaler(net).Upscale(bytes.to(ScalarType.Float32) / 255, new SeededUpscaleNoise(3));

        ofBytes.Equals(ofFractions).ShouldBeTrue();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void UpscaleRun_WrongChannels_IsRefused(long channels)
    {
        using var scope = NewDisposeScope();
        using var net = TinyNetworks.AuraSR();

        var fault = Should.Throw<ArgumentException>(() => new UpscaleRun(net.Config, rand([channels, 8, 8]), new SeededUpscaleNoise(0), null));

        fault.Message.ShouldContain("[3, height, width]");
    }

    [Fact]
    public void SeededUpscaleNoise_AnyOrder_GivesEachTileItsOwnAndOnlyTheLowBitsCount()
    {
        using var scope = NewDisposeScope();
        var forward = new SeededUpscaleNoise(7);
        var backward = new SeededUpscaleNoise(7 + (1UL << 32));

        var first = Enumerable.Range(0, 4).Select(i => TinyNetworks.Values(forward.Style(i, 128))).ToArray();
        var second = Enumerable.Range(0, 4).Reverse().Select(i => TinyNetworks.Values(backward.Style(i, 128))).Reverse().ToArray();

        second.ShouldBe(first);
        first[0].ShouldNotBe(first[1]);
        TinyNetworks.Values(new SeededUpscaleNoise(8).Style(0, 128)).ShouldNotBe(first[0]);

        // What torch.manual_seed(7); torch.randn(1, 128) begins with.
        manual_seed(7);
        TinyNetworks.Values(randn([1, 128])).ShouldBe(first[0], 2.5e-6);
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
        public List<int> Asked { get; } = [];

        public bool WithImage { get; init; }

        public Tensor Style(int tile, int width)
        {
            Asked.Add(tile);
            return ones([1, width]);
        }

        public Tensor? Image(int tile, long[] shape) => WithImage ? ones(shape) * 20 : null;
    }
}
