using Mesh.Cli.Verify;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.GoldenTests;

/// <summary>Where tiles meet, an overlapped enlargement changes no faster than elsewhere. Measured on the golden network, whose tiles differ by their styles.</summary>
public sealed class SeamTests
{
    private const int Side = 128; // two tiles each way in the first pass, three in the second

    // Along an edge of a tile the pass that has no border there counts for nearly all, but for the middle of the edge, where the other pass has one
    // too: at a distance t from it (in halves of a tile) the pass with the step weighs 1 / (1 + exp(32·t)). That is ln 2 / 32 of the step on average:
    // what a border may lie above the mean of the lines inside. And it may not be among the steepest of them.
    private static readonly double LeftOfAStep = Math.Log(2) / 32;
    private const double Steep = 0.95;

    [Theory]
    [InlineData("ramp")]
    [InlineData("waves")]
    [InlineData("random")]
    public void Upscale_Overlapped_ChangesNoFasterWhereTilesMeet(string name)
    {
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var golden = GoldenCase.Open(GoldenFolder.Committed, "aurasr", "image");
        using var network = AuraSRNetwork(golden);
        var upscaler = new AuraSRUpscaler(network);
        var picture = Picture(name);
        var (plain, blended) = (upscaler.Upscale(picture, new SeededUpscaleNoise(3)), upscaler.Upscale(picture, new SeededUpscaleNoise(3), OverlapBlend.Checkerboard));
        for (var dim = 1; dim <= 2; dim++)
        {
            var (borders, inside) = Split(Gradients(blended, dim), network.Config.ImageSize / 2);
            var (seams, _) = Split(Gradients(plain, dim), network.Config.ImageSize);
            var mean = inside.Average();

            borders.Average().ShouldBeLessThan(mean + (LeftOfAStep * seams.Average()), $"{name}, dimension {dim}");
            borders.Max().ShouldBeLessThan(inside[(int)(inside.Length * Steep)], $"{name}, dimension {dim}");

            // The same measure sees the seams of a single pass, so it would see these.
            seams.Average().ShouldBeGreaterThan(1.5 * mean, $"{name}, dimension {dim}");
        }
    }

    /// <summary>The changes across borders, each <paramref name="size"/> pixels, and those inside in rising order.</summary>
    private static (double[] Borders, double[] Inside) Split(double[] gradients, int size) =>
        ([.. gradients.Where((_, i) => (i + 1) % size == 0)], [.. gradients.Where((_, i) => (i + 1) % size != 0).Order()]);

    private static AuraSR AuraSRNetwork(GoldenCase golden)
    {
        var config = AuraSRConfig.FromJson(GoldenNetworks.With(golden.Field("config"), golden.Field("constructor_defaults")));
        return GoldenNetworks.Fill(golden, BlankNetwork.Make(d => new AuraSR(config, d)), golden.Field("prefix").GetString()!, ProceduralWeights.Gains(golden.Field("gains")));
    }

    private static Tensor Picture(string name)
    {
        manual_seed(1);
        var line = linspace(0, 1, Side);
        return name switch
        {
            "ramp" => stack([line.expand(Side, Side), line.unsqueeze(1).expand(Side, Side), (line + line.unsqueeze(1)) / 2]),
            "waves" => (stack([(line * 9).sin().expand(Side, Side), (line * 7).cos().unsqueeze(1).expand(Side, Side), (line * 5).sin() * (line * 5).cos().unsqueeze(1)]) * 0.4) + 0.5,
            _ => rand([3, Side, Side]),
        };
    }

    /// <summary>The mean change from each line to the next along a dimension.</summary>
    private static double[] Gradients(Tensor picture, int dim)
    {
        var length = picture.shape[dim];
        var steps = (picture.narrow(dim, 1, length - 1) - picture.narrow(dim, 0, length - 1)).abs().mean([0, 3 - dim]);
        return [.. steps.data<float>().ToArray().Select(x => (double)x)];
    }
}
