namespace Mesh.Imaging.Tests;

public sealed class ImageCodecTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 3)]
    [InlineData(64, 64)]
    [InlineData(301, 217)]
    public void Encode_Lossless_RestoresEveryByte(int width, int height)
    {
        var image = Pictures.Smooth(width, height);

        foreach (var (format, options) in new[] { (ImageFormat.Png, EncodeOptions.Default), (ImageFormat.WebP, new EncodeOptions(Lossless: true)) })
        {
            var file = ImageCodec.Encode(image, format, options);

            ImageCodec.Detect(file).ShouldBe(format);
            var back = ImageCodec.Decode(file);
            (back.Width, back.Height).ShouldBe((width, height));
            back.Pixels.ShouldBe(image.Pixels);
        }
    }

    [Theory]
    [InlineData(ImageFormat.Jpeg, 92, 2.5)]
    [InlineData(ImageFormat.Jpeg, 60, 6)]
    [InlineData(ImageFormat.WebP, 92, 4)]
    public void Encode_Lossy_StaysNear(ImageFormat format, int quality, double most)
    {
        var image = Pictures.Smooth(160, 120);

        var file = ImageCodec.Encode(image, format, new EncodeOptions(quality));

        ImageCodec.Detect(file).ShouldBe(format);
        Pictures.Difference(ImageCodec.Decode(file), image).ShouldBeInRange(0.01, most);
    }

    [Fact]
    public void Encode_LowerQuality_IsSmaller()
    {
        var image = Pictures.Smooth(200, 200);

        foreach (var format in new[] { ImageFormat.Jpeg, ImageFormat.WebP })
            ImageCodec.Encode(image, format, new EncodeOptions(30)).Length.ShouldBeLessThan(ImageCodec.Encode(image, format, new EncodeOptions(95)).Length);
    }

    [Fact]
    public void Encode_SamePicture_GivesSameBytes()
    {
        var image = Pictures.Smooth(50, 40);

        foreach (var format in Enum.GetValues<ImageFormat>())
            ImageCodec.Encode(image, format).ShouldBe(ImageCodec.Encode(image, format));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(101)]
    public void Encode_QualityOutOfRange_Throws(int quality) =>
        Should.Throw<ArgumentOutOfRangeException>(() => ImageCodec.Encode(Pictures.Smooth(2, 2), ImageFormat.Jpeg, new EncodeOptions(quality)));

    [Fact]
    public void Encode_TooWideForWebP_SaysSo() =>
        Should.Throw<ImageException>(() => ImageCodec.Encode(Image.Filled(16_384, 1, 1, 2, 3), ImageFormat.WebP)).Message.ShouldContain("16383");

    [Fact]
    public void Decode_TransparentPng_LiesOnWhite() => ImageCodec.Decode(TestPng.Build(2, 1, depth: 8, colour: 6, palette: null, rows: [0, 255, 0, 0, 255, 0, 0, 255, 128])).Pixels.ShouldBe([255, 0, 0, 127, 127, 255]);

    [Fact]
    public void Decode_ForeignPng_GivesItsPixels()
    {
        // 2 x 2, palette of two colours, one bit a pixel, made by hand: zlib stored block of rows 00 40, 00 80.
        var file = TestPng.Build(2, 2, depth: 1, colour: 3, palette: [255, 255, 0, 0, 0, 128], rows: [0, 0x40, 0, 0x80]);

        ImageCodec.Decode(file).Pixels.ShouldBe([255, 255, 0, 0, 0, 128, 0, 0, 128, 255, 255, 0]);
    }

    [Fact]
    public void Decode_SixteenBitGrey_KeepsTheUpperByte()
    {
        var file = TestPng.Build(2, 1, depth: 16, colour: 0, palette: null, rows: [0, 0x80, 0x00, 0xFF, 0xFF]);

        ImageCodec.Decode(file).Pixels.ShouldBe([128, 128, 128, 255, 255, 255]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello, world")]
    [InlineData("GIF89a")]
    public void Decode_OtherBytes_SaysThatItIsNoPicture(string text) =>
        Should.Throw<ImageException>(() => ImageCodec.Decode(System.Text.Encoding.ASCII.GetBytes(text)));

    [Theory]
    [InlineData(ImageFormat.Png)]
    [InlineData(ImageFormat.Jpeg)]
    [InlineData(ImageFormat.WebP)]
    public void Decode_BeyondLimits_IsRefusedBeforeAllocating(ImageFormat format)
    {
        var file = ImageCodec.Encode(Image.Filled(2000, 1500, 9, 9, 9), format);
        var limits = new ImageLimits(MaxSide: 1999);
        Should.Throw<ImageException>(() => ImageCodec.Decode(file, limits));
        var before = GC.GetAllocatedBytesForCurrentThread();

        Should.Throw<ImageException>(() => ImageCodec.Decode(file, limits)).Message.ShouldContain("2000 x 1500");
        Should.Throw<ImageException>(() => ImageCodec.Decode(file, new ImageLimits(MaxPixels: 2_999_999)));

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100_000);
    }

    [Fact]
    public void Decode_SmallFileWithHugeHeader_IsRefusedBeforeAllocating()
    {
        var file = TestPng.Build(8000, 8000, depth: 8, colour: 2, palette: null, rows: [0, 1, 2, 3]);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Should.Throw<ImageException>(() => ImageCodec.Decode(file)).Message.ShouldContain("cut short");

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100_000);
    }

    [Theory]
    [InlineData(ImageFormat.Png)]
    [InlineData(ImageFormat.Jpeg)]
    [InlineData(ImageFormat.WebP)]
    public void Decode_EveryTruncation_IsAnError(ImageFormat format)
    {
        var file = ImageCodec.Encode(Pictures.Smooth(40, 30), format);

        // The last bytes of a file are an end mark or padding, without which some decoders have every pixel still.
        for (var length = 0; length < file.Length - 16; length += Math.Max(1, file.Length / 200))
            Should.Throw<ImageException>(() => ImageCodec.Decode(file.AsSpan(0, length)), $"{length} of {file.Length} bytes");
    }

    [Theory]
    [InlineData(ImageFormat.Png, 1)]
    [InlineData(ImageFormat.Jpeg, 2)]
    [InlineData(ImageFormat.WebP, 3)]
    public void Decode_DamagedBytes_GivesPictureOrError(ImageFormat format, int seed)
    {
        var random = new Random(seed);
        var file = ImageCodec.Encode(Pictures.Smooth(40, 30), format, new EncodeOptions(Text: [new PngText("parameters", "a cat"), new PngText("Title", "κ")]));
        var limits = new ImageLimits(MaxSide: 512);
        var errors = 0;
        for (var round = 0; round < 3000; round++)
        {
            var damaged = file.ToArray();
            for (var hit = random.Next(1, 6); hit > 0; hit--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            if (round % 3 == 0)
                damaged = damaged[..random.Next(damaged.Length + 1)];
            errors += Outcome(() => ImageCodec.Decode(damaged, limits)) + Outcome(() => ImageCodec.ReadText(damaged));
        }

        errors.ShouldBeGreaterThan(500);

        static int Outcome(Func<object> attempt)
        {
            try
            {
                attempt();
                return 0;
            }
            catch (ImageException)
            {
                return 1;
            }
        }
    }

    [Fact]
    public void Decode_ManyThreads_GivesSamePixels()
    {
        var image = Pictures.Smooth(90, 70);
        var files = Enum.GetValues<ImageFormat>().Select(f => ImageCodec.Encode(image, f)).ToArray();
        var expected = files.Select(f => ImageCodec.Decode(f).Pixels).ToArray();

        Parallel.For(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            ImageCodec.Decode(files[i % files.Length]).Pixels.AsSpan().SequenceEqual(expected[i % files.Length]).ShouldBeTrue());
    }

    [Theory]
    [InlineData("a.png", ImageFormat.Png)]
    [InlineData("b/c.JPG", ImageFormat.Jpeg)]
    [InlineData("d.jpeg", ImageFormat.Jpeg)]
    [InlineData("e.webp", ImageFormat.WebP)]
    [InlineData("f.gif", null)]
    public void FormatOf_FileName_FollowsTheEnding(string name, ImageFormat? format) => ImageCodec.FormatOf(name).ShouldBe(format);
}
