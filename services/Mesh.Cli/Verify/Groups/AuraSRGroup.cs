using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Models.Layers;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>The AuraSR upsampler: its layers, tiles, whole pictures.</summary>
public sealed partial class AuraSRGroup : IGoldenGroup
{
    private const int WeightSampleStep = 15;
    private const int NoiseFactorOfBytes = 10;
    private const int BytesADifference = 1000;
    private static readonly string[] ConvolutionInputs = ["x", "mod", "logits"];

    /// <inheritdoc/>
    public string Name => "aurasr";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("prefix", "gains", "state_dict", "constructor_defaults");
        if (golden.HasTensor("in.image"))
            return Pictures(golden);
        if (golden.HasTensor("in.z"))
            return Tiles(golden);
        if (golden.HasTensor("in.logits"))
            return Convolution(golden);
        return golden.HasTensor("in.x") ? Attention(golden) : Shapes(golden);
    }

    private static T Fill<T>(GoldenCase golden, T network)
        where T : nn.Module =>
        GoldenNetworks.Fill(golden, network, golden.Field("prefix").GetString()!, ProceduralWeights.Gains(golden.Field("gains")));

    private static AuraSRConfig Config(GoldenCase golden) =>
        AuraSRConfig.FromJson(GoldenNetworks.With(golden.Field("config"), golden.Field("constructor_defaults")));

    private static Check Keys(GoldenCase golden, nn.Module network)
    {
        var stated = golden.Field("state_dict");
        if (stated.ValueKind == JsonValueKind.Object)
            return GoldenNetworks.Keys("state_dict", network, stated.Shapes());

        // Or it says which file has them.
        var file = FileName().Match(stated.GetString()!) is { Success: true } match ? match.Value : throw new FormatException($"state_dict: {stated.GetString()}");
        using var other = golden.Refer(golden.Group + "/" + file);
        return GoldenNetworks.Keys("state_dict", network, other.Json.GetProperty("state_dict").Shapes());
    }

    private static Check Split(GoldenCase golden, AuraSR network) =>
        Check.That("split", network.ModulationWidths.Select(w => (long)w).SequenceEqual(golden.Field("split").Longs()), "other widths of modulations");

    private static IEnumerable<Check> Shapes(GoldenCase golden)
    {
        using var network = new AuraSR(Config(golden), META);
        yield return Keys(golden, network);
        yield return Split(golden, network);
        yield return Check.Count("parameters", Math.Abs(GoldenNetworks.ParametersOf(network) - golden.Field("parameters").GetInt64()));
    }

    private static List<Check> Convolution(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var bank = golden.Input("in.weights");
        var shape = bank.shape;
        using var layer = Fill(golden, new AdaptiveConv((int)shape[2], (int)shape[1], (int)shape[0]));
        var own = layer.parameters().Single();
        var inputs = ConvolutionInputs.ToDictionary(n => n, n => golden.Input("in." + n).requires_grad_());
        var y = layer.call(inputs["x"], inputs["mod"], inputs["logits"]);
        (y.square().sum() / 2).backward();
        return
        [
            Keys(golden, layer),
            Check.Tensors("in.weights", own, bank, 0),
            golden.Compare("out.y", y, CheckKind.Layer),
            .. inputs.Select(i => golden.CompareGradient("out.grad." + i.Key, i.Value.grad!, CheckKind.Layer)),
            golden.CompareGradient("out.grad.weights", own.grad!, CheckKind.Layer),
        ];
    }

    private static List<Check> Attention(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        var arguments = golden.Field("arguments").Only("arguments", "dim", "dim_head", "heads", "depth");
        int Argument(string name) => arguments.GetProperty(name).GetInt32();
        using var network = Fill(golden, new MapTransformer(Argument("dim"), Argument("dim_head"), Argument("heads"), Argument("depth")));
        var x = golden.Input("in.x").requires_grad_();
        var y = network.call(x);
        (y.square().sum() / 2).backward();
        return
        [
            Keys(golden, network),
            golden.Compare("out.norm", network.Norm(0, x), CheckKind.Layer),
            golden.Compare("out.attention", network.Attend(0, x), CheckKind.Layer),
            golden.Compare("out.feedforward", network.Feed(0, x), CheckKind.Layer),
            golden.Compare("out.y", y, CheckKind.Network),
            golden.CompareGradient("out.grad.x", x.grad!, CheckKind.Network),
        ];
    }

    private static List<Check> Tiles(GoldenCase golden)
    {
        using var scope = NewDisposeScope();
        using var network = Fill(golden, BlankNetwork.Make(device => new AuraSR(Config(golden), device)));
        var checks = new List<Check> { Keys(golden, network) };
        if (golden.Has("split"))
            checks.Add(Split(golden, network));
        var gradient = golden.HasTensor("out.grad.x");
        using var mode = gradient ? null : inference_mode();
        var x = golden.Input("in.x").requires_grad_(gradient);
        var z = golden.Input("in.z").requires_grad_(gradient);
        var rgb = network.call(x, z, golden.HasTensor("in.noise") ? golden.Input("in.noise") : null);
        checks.AddRange(golden.CompareSampled("out.rgb", rgb, CheckKind.Network));
        if (golden.HasTensor("out.style"))
        {
            var style = network.Style(z);
            checks.Add(golden.Compare("out.style", style, CheckKind.Network));
            checks.Add(golden.Compare("out.modulation", network.Modulations(style), CheckKind.Network));
        }

        if (gradient)
        {
            (rgb.square().sum() / 2).backward();
            checks.Add(golden.CompareGradient("out.grad.x", x.grad!, CheckKind.Network));
            checks.Add(golden.CompareGradient("out.grad.z", z.grad!, CheckKind.Network));
        }

        return checks;
    }

    private static IEnumerable<Check> Pictures(GoldenCase golden)
    {
        golden.Knows("share_of_bytes_0_or_255", "largest_byte_difference");
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        using var network = Fill(golden, BlankNetwork.Make(device => new AuraSR(Config(golden), device)));
        yield return Keys(golden, network);
        using var weights = AuraSRUpscaler.TileWeights(network.Config.ImageSize);
        yield return golden.Compare(
            "out.weight", weights.slice(0, 0, weights.shape[0], WeightSampleStep).slice(1, 0, weights.shape[1], WeightSampleStep), Check.Allowed(null, CheckKind.Layer));
        var arguments = golden.Field("arguments").Only("arguments", "max_batch_size");
        var upscaler = new AuraSRUpscaler(network, arguments.GetProperty("max_batch_size").GetInt32());
        var picture = golden.Read("in.image").permute(2, 0, 1).to(ScalarType.Float32) / 255; // [3, h, w]
        var differing = golden.Field("bytes_that_differ_from_fp64");
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal) && n != "out.weight").ToArray())
        {
            using var large = name switch
            {
                "out.plain" => upscaler.Upscale(picture, new Given(golden.Input("in.z1"))),
                "out.checkboard" => upscaler.Upscale(picture, new Given(golden.Input("in.z1"), golden.Input("in.z2")), OverlapBlend.Checkerboard),
                "out.constant" => upscaler.Upscale(picture, new Given(golden.Input("in.z1"), golden.Input("in.z2")), OverlapBlend.Constant),
                _ => throw new FormatException($"{name}: unknown output"),
            };
            using var bytes = AuraSRUpscaler.ToBytes(large);
            using var expected = golden.Read(name);
            yield return Check.Bytes(name, bytes, expected, (int)golden.NoiseFloor!.Value, Math.Max(NoiseFactorOfBytes * differing.GetProperty(name).GetInt64(), expected.numel() / BytesADifference));
        }
    }

    [GeneratedRegex(@"[\w.]+\.json")]
    private static partial Regex FileName();

    // Style vectors of one pass after those of another, no image noise.
    private sealed class Given(params Tensor[] passes) : IUpscaleNoise
    {
        private readonly Tensor[] _rows = [.. passes.SelectMany(p => p.unbind())];

        public Tensor Style(int tile, int width) => _rows[tile].unsqueeze(0);

        public Tensor? Image(int tile, long[] shape) => null;
    }
}
