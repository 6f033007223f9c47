using System.Text.Json;
using Mesh.Models.Layers;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>U-Nets: whole calls, stages, gradients.</summary>
public sealed class UNetGroup : IGoldenGroup
{
    /// <inheritdoc/>
    public string Name => "unet";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("fused_attention_changes_output_by", "float64_sinusoid_changes_output_by", "sinusoid");
        using var net = Load(golden);
        var weights = golden.Field("weights");
        if (GoldenNetworks.ExpectedShapes(golden, weights) is { } shapes)
            yield return GoldenNetworks.Keys("keys", net, shapes);
        var gradients = golden.Has("parameters");
        using var mode = gradients ? null : inference_mode();
        var checks = gradients ? Gradients(golden, net) : golden.Has("calls") ? Calls(golden, net) : golden.Has("order") ? Stages(golden, net) : Plain(golden, net);
        foreach (var check in checks)
            yield return check;
    }

    /// <summary>What a U-Net is told besides, from the case's inputs: their first <paramref name="batch"/> rows.</summary>
    internal static UNetExtras Extras(GoldenCase golden, long batch)
    {
        Tensor? Rows(string name, bool compute = true)
        {
            if (!golden.HasTensor(name))
                return null;
            using var whole = compute ? golden.Input(name) : golden.Read(name);
            return whole.narrow(0, 0, batch);
        }

        return new UNetExtras { Pooled = Rows("in.pooled"), TimeIds = Rows("in.time_ids", compute: false), TimestepCond = Rows("in.timestep_cond") };
    }

    private static UNet Load(GoldenCase golden)
    {
        golden.Knows("network");
        var weights = golden.Field("weights").Only("weights", "prefix", "shapes", "shapes_in", "gain");
        var config = UNetConfig.FromJson(golden.Field("config"));
        var net = BlankNetwork.Make(device => new UNet(config, device));
        return GoldenNetworks.Fill(golden, net, weights.Text("prefix") ?? "", GoldenNetworks.Gain(weights));
    }

    private static Tensor Call(GoldenCase golden, UNet net, Tensor sample, JsonElement timestep, Action<string, Tensor>? onStage = null)
    {
        using var scope = NewDisposeScope();
        var batch = sample.shape[0];
        var context = golden.Input("in.context").narrow(0, 0, batch);
        var extras = Extras(golden, batch) with { OnStage = onStage };
        return net.call(sample, GoldenNetworks.Timestep(timestep), context, extras).MoveToOuterDisposeScope();
    }

    private static IEnumerable<Check> Calls(GoldenCase golden, UNet net)
    {
        if (golden.Has("guidance_scale"))
        {
            using var embedded = Sinusoid.Guidance(golden.Field("guidance_scale").Doubles(), net.Config.TimeCondProjDim!.Value);
            yield return golden.Compare("in.timestep_cond", embedded, CheckKind.Layer);
        }

        foreach (var call in golden.Field("calls").EnumerateArray())
        {
            call.Only("calls[]", "out", "sample", "timestep");
            using var sample = golden.Input("in." + call.GetProperty("sample").GetString());
            using var result = Call(golden, net, sample, call.GetProperty("timestep"));
            yield return golden.Compare(call.GetProperty("out").GetString()!, result, CheckKind.Network);
        }
    }

    private static IEnumerable<Check> Plain(GoldenCase golden, UNet net)
    {
        var samples = golden.TensorNames.Where(n => n.StartsWith("in.sample", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToArray();
        if (samples.Length == 0)
            throw new FormatException("a case of another form");
        foreach (var name in samples)
        {
            using var sample = golden.Input(name);
            using var result = Call(golden, net, sample, golden.Field("timestep"));
            yield return golden.Compare("out." + name["in.".Length..], result, CheckKind.Network);
        }
    }

    private static List<Check> Stages(GoldenCase golden, UNet net)
    {
        var checks = new List<Check>();
        var order = golden.Field("order").EnumerateArray().Select(e => e.GetString()!).ToArray();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        using var sample = golden.Input("in.sample");
        using var result = Call(golden, net, sample, golden.Field("timestep"), (stage, value) =>
        {
            seen.Add(stage);
            if (order.Contains(stage))
                checks.Add(golden.Compare("out." + stage, value, CheckKind.Network));
        });
        checks.Add(Check.That("order", order.All(seen.Contains), "a stage did not run: " + string.Join(", ", order.Where(s => !seen.Contains(s)))));
        checks.Add(golden.Compare("out.sample", result, CheckKind.Network));
        return checks;
    }

    private static IEnumerable<Check> Gradients(GoldenCase golden, UNet net)
    {
        var sample = golden.Input("in.sample").requires_grad_();
        using var result = Call(golden, net, sample, golden.Field("timestep"));
        using var loss = (result * golden.Input("in.r")).mean();
        loss.backward();
        yield return golden.Compare("out.loss", loss, CheckKind.Network);
        yield return golden.CompareGradient("out.d_sample", sample.grad!, CheckKind.Network);
        var parameters = net.named_parameters().ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith("out.d.", StringComparison.Ordinal)).ToArray())
            yield return golden.CompareGradient(name, parameters[name["out.d.".Length..]].grad!, CheckKind.Network);
        using var norms = stack(golden.Field("parameters").EnumerateArray().Select(p => parameters[p.GetString()!].grad!.norm()));
        yield return golden.CompareGradient("out.norms", norms, CheckKind.Network);
    }
}
