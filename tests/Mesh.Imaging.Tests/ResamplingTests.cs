using System.Text.RegularExpressions;
using Mesh.Testing;

namespace Mesh.Imaging.Tests;

/// <summary>Pictures that Pillow resized.</summary>
public sealed partial class ResamplingTests
{
    // The case's own noise floor (7.3e-8 of 255) times ten.
    private const double FloatTolerance = 7.4e-7 * 255;

    [Fact]
    public void Resize_Bytes_EqualsPillow()
    {
        var golden = GoldenTensors.Read("resize", "pillow_uint8");
        var compared = 0;
        foreach (var name in golden.Names.Where(n => n.StartsWith("out", StringComparison.Ordinal)))
        {
            var (before13, filter, from, to) = Parse(name);
            var image = new Image(from.Width, from.Height, golden.Bytes($"in.{from.Height}x{from.Width}"));

            var resized = Resampling.Resize(image, to.Width, to.Height, filter, before13 ? PassOrder.BeforePillow13 : PassOrder.Pillow13);

            resized.Pixels.ShouldBe(golden.Bytes(name), name);
            compared++;
        }

        compared.ShouldBeGreaterThan(24);
    }

    [Fact]
    public void Resize_Floats_EqualsPillow()
    {
        var golden = GoldenTensors.Read("resize", "pillow_float");
        foreach (var name in golden.Names.Where(n => n.StartsWith("out", StringComparison.Ordinal)))
        {
            var (_, filter, from, to) = Parse(name);
            var values = golden.Bytes($"in.{from.Height}x{from.Width}").Select(b => (float)b).ToArray();

            var resized = Resampling.Resize(values, from.Width, from.Height, 3, to.Width, to.Height, filter);

            var expected = golden.Floats(name);
            var at = 0;
            for (var y = 0; y < to.Height; y += 2)
            {
                for (var x = 0; x < to.Width; x += 3)
                {
                    for (var c = 0; c < 3; c++)
                        ((double)Math.Clamp(resized[(((y * to.Width) + x) * 3) + c], 0, 255)).ShouldBe(expected[at++], FloatTolerance, name);
                }
            }

            at.ShouldBe(expected.Length);
        }
    }

    [Fact]
    public void Resize_SameSize_IsACopy()
    {
        var image = Pictures.Smooth(12, 8);

        var copy = Resampling.Resize(image, 12, 8, ResampleFilter.Lanczos);

        copy.Pixels.ShouldBe(image.Pixels);
        copy.Pixels.ShouldNotBeSameAs(image.Pixels);
    }

    [Theory]
    [InlineData(ResampleFilter.Box)]
    [InlineData(ResampleFilter.Bilinear)]
    [InlineData(ResampleFilter.Bicubic)]
    [InlineData(ResampleFilter.Lanczos)]
    public void Resize_OneColour_StaysThatColour(ResampleFilter filter)
    {
        foreach (var (width, height) in new[] { (1, 1), (200, 3), (3, 200), (31, 17) })
            Resampling.Resize(Image.Filled(20, 30, 10, 128, 255), width, height, filter).Pixels.Chunk(3).ShouldAllBe(p => p[0] == 10 && p[1] == 128 && p[2] == 255);
    }

    [Fact]
    public void Resize_NoSize_Throws() => Should.Throw<ArgumentOutOfRangeException>(() => Resampling.Resize(Pictures.Smooth(2, 2), 0, 2, ResampleFilter.Box));

    private static (bool Before13, ResampleFilter Filter, (int Height, int Width) From, (int Height, int Width) To) Parse(string name)
    {
        var match = Name().Match(name);
        return (
            match.Groups["old"].Success,
            Enum.Parse<ResampleFilter>(match.Groups["filter"].Value, ignoreCase: true),
            (Number("h"), Number("w")),
            (Number("toh"), Number("tow")));

        int Number(string group) => int.Parse(match.Groups[group].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^out(?<old>_before_13)?\.(?<filter>\w+)\.(?<h>\d+)x(?<w>\d+)_to_(?<toh>\d+)x(?<tow>\d+)$")]
    private static partial Regex Name();
}
