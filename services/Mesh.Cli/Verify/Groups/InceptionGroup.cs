using Mesh.Imaging;
using Mesh.Training.Evaluation;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>The Fréchet distance's Inception-v3 and the resizing before it.</summary>
public sealed class InceptionGroup : IGoldenGroup
{
    private const double ResizeTolerance = 1e-6;

    /// <inheritdoc/>
    public string Name => "inception";

    /// <inheritdoc/>
    public bool IsData(GoldenCase golden) => golden.Has("state_dict");

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("tolerance_of_resize");
        using var network = Load(golden, out var keys);
        yield return keys;
        using var mode = no_grad();
        using var stored = golden.Read("in.image");
        var image = new Image((int)stored.shape[1], (int)stored.shape[0], stored.data<byte>().ToArray());
        if (golden.HasTensor("out.logits"))
        {
            foreach (var check in Features(golden, network, stored))
                yield return check;
            yield break;
        }

        using var resized = tensor(Inception.Resized(image)).reshape(Inception.Side, Inception.Side, Image.Channels);
        foreach (var check in golden.CompareSampled("out.resized", resized, CheckKind.Layer))
            yield return check with { Ok = check.Ok && check.Error <= Math.Max(ResizeTolerance, 10 * golden.Field("tolerance_of_resize").GetDouble()) };
        using var input = Inception.Input(image);
        yield return golden.Compare("out.features", network.Features(input), CheckKind.Network);
    }

    private static Inception Load(GoldenCase golden, out Check keys)
    {
        using var described = golden.Refer(golden.Field("network").GetString()!);
        var shapes = described.Field("state_dict").Shapes();
        var network = new Inception();
        keys = GoldenNetworks.Keys("keys", network, shapes);
        var floats = network.Tensors();
        var expected = shapes.Where(s => floats.ContainsKey(s.Key)).ToDictionary(s => s.Key, s => s.Value, StringComparer.Ordinal);
        using var weights = new ProceduralWeights(golden.Numbers, expected, described.Field("prefix").GetString()!, ProceduralWeights.Gains(described.Field("gains")));
        network.Load(weights);
        return network;
    }

    private static List<Check> Features(GoldenCase golden, Inception network, Tensor image)
    {
        var checks = new List<Check>();
        var x = image.permute(2, 0, 1).unsqueeze(0).to(ScalarType.Float32);
        var features = network.Features((x - 128) / 128, (i, map) => checks.AddRange(golden.CompareSampled($"out.map{i}", map, CheckKind.Network)));
        checks.Add(golden.Compare("out.features", features, CheckKind.Network));
        checks.Add(golden.Compare("out.logits", network.Logits(features), CheckKind.Network));
        checks.Add(golden.Compare("out.features.unit", network.Features((2 * (x / 255)) - 1), CheckKind.Network));
        return checks;
    }
}
