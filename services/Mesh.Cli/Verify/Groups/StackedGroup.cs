using System.Text.Json;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Two U-Nets in series.</summary>
public sealed class StackedGroup : IGoldenGroup
{
    private const string Sd15 = """{"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}""";

    private static readonly string[] Kinds = ["one", "stacked", "shared_weights"];

    /// <inheritdoc/>
    public string Name => "stacked";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var config = UNetConfig.FromJson(golden.Field("config"));
        var weights = golden.Field("weights").Only("weights", "prefix_a", "prefix_b", "shapes_of_one", "removed_of_a", "removed_of_b");
        var (sample, context) = (golden.Input("in.sample"), golden.Input("in.context"));
        var times = GoldenNetworks.Timestep(golden.Field("timestep"));

        using var joined = Load(golden, new StackedUNet(config, new(RemoveMiddleInOut: true, ShareWeights: false)));
        yield return Keys(joined, weights);
        var features = joined.Features(sample, times, context);
        var velocity = joined.call(sample, times, context, null);
        yield return golden.Compare("out.features", features.narrow(0, 0, 1), CheckKind.Network);
        yield return golden.Compare("out.joined", velocity, CheckKind.Network);
        yield return golden.Compare("out.step", sample + velocity, CheckKind.Network);
        var odd = golden.Input("in.odd");
        yield return golden.Compare("out.joined_odd", joined.call(odd, times, context.narrow(0, 0, odd.shape[0]), null), CheckKind.Network);

        using var naive = Load(golden, new StackedUNet(config, new(RemoveMiddleInOut: false, ShareWeights: false)));
        yield return golden.Compare("out.naive", naive.call(sample, times, context, null), CheckKind.Network);
        using var shared = Load(golden, new StackedUNet(config, new(RemoveMiddleInOut: true, ShareWeights: true)));
        yield return golden.Compare("out.shared", shared.call(sample, times, context, null), CheckKind.Network);

        var parameters = golden.Field("parameters").Only("parameters", "formula", "tiny", "sd15");
        yield return Parameters("parameters.tiny", config, parameters.GetProperty("tiny"));
        using var sd15 = JsonDocument.Parse(Sd15);
        yield return Parameters("parameters.sd15", UNetConfig.FromJson(sd15.RootElement), parameters.GetProperty("sd15"));
    }

    private static StackedUNet Load(GoldenCase golden, StackedUNet net)
    {
        // Each half is filled by itself: its own prefix stands where the stack's names have a. and b.
        var weights = golden.Field("weights");
        foreach (var (name, half) in net.named_children())
            GoldenNetworks.Fill(golden, half, weights.Text("prefix_" + name) ?? "");
        net.eval();
        return net;
    }

    private static Check Keys(StackedUNet net, JsonElement weights)
    {
        var expected = new Dictionary<string, long[]>(StringComparer.Ordinal);
        foreach (var half in new[] { "a", "b" })
        {
            var removed = weights.GetProperty("removed_of_" + half).EnumerateArray().Select(e => e.GetString()!).ToHashSet();
            foreach (var (name, shape) in weights.GetProperty("shapes_of_one").Shapes().Where(s => !removed.Contains(s.Key)))
                expected.Add($"{half}.{name}", shape);
        }

        return GoldenNetworks.Keys("keys", net, expected);
    }

    private static Check Parameters(string what, UNetConfig config, JsonElement expected)
    {
        expected.Only(what, Kinds);
        using var one = new UNet(config, META);
        using var stacked = new StackedUNet(config, new(RemoveMiddleInOut: true, ShareWeights: false), META);
        using var shared = new StackedUNet(config, new(RemoveMiddleInOut: true, ShareWeights: true), META);
        var actual = new[] { one, stacked, (nn.Module)shared }.Select(GoldenNetworks.ParametersOf);
        var wanted = Kinds.Select(k => expected.GetProperty(k).GetInt64());
        return Check.That(what, actual.SequenceEqual(wanted), "other numbers of parameters");
    }
}
