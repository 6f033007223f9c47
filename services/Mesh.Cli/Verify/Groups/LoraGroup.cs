using System.Text.Json;
using Mesh.Models.Lora;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>LoRA files in every dialect, merged and beside the layers; the weight delta.</summary>
public sealed class LoraGroup : IGoldenGroup
{
    /// <inheritdoc/>
    public string Name => "lora";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        using var inference = no_grad();
        foreach (var check in golden.Has("file") ? File(golden) : golden.Has("alpha") ? Delta(golden) : throw new FormatException("a case of another form"))
            yield return check;
    }

    private static List<Check> File(GoldenCase golden)
    {
        golden.Knows("outputs", "unmerged_differs_by", "library_gives_another_alpha_to");
        var checks = new List<Check>();
        using var scope = NewDisposeScope();
        var weights = golden.Field("weights").Only("weights", "prefix", "unet_keys", "text_shapes");
        var prefix = weights.Text("prefix") ?? "";
        using var net = GoldenNetworks.Fill(golden, new UNet(UNetConfig.FromJson(golden.Field("config"))), prefix);
        if (GoldenNetworks.ExpectedShapes(golden, weights) is { } shapes)
            checks.Add(GoldenNetworks.Keys("keys", net, shapes));
        var networks = new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["unet"] = net };
        using var text = golden.Has("text_config") ? new ClipTextEncoder(ClipTextConfig.FromJson(golden.Field("text_config"), projection: false)) : null;
        if (text is not null)
        {
            networks["text_encoder"] = GoldenNetworks.Fill(golden, text, prefix);
            checks.Add(GoldenNetworks.Keys("text keys", text, weights.GetProperty("text_shapes").Shapes()));
        }

        using var file = SafetensorsFile.Open(golden.Locate(golden.Field("file").GetString()!));
        using var lora = LoraFile.Read(file, networks, file.Metadata);
        checks.AddRange(Layers(golden, lora));
        var scales = new[] { ("_without", 0.0), ("", 1.0), ("_scaled", golden.Field("scale").GetDouble()) };
        checks.AddRange(Merged(golden, net, text, lora, scales));
        foreach (var (suffix, scale) in scales)
        {
            using var beside = UnmergedLora.Attach(net, lora.Layers("unet"), scale);
            using var besideText = text is null ? null : UnmergedLora.Attach(text, lora.Layers("text_encoder"), scale);
            checks.AddRange(Forward(golden, net, text, suffix).Select(c => c with { What = c.What + ", unmerged" }));
        }

        return checks;
    }

    private static List<Check> Merged(GoldenCase golden, UNet net, ClipTextEncoder? text, LoraFile lora, (string Suffix, double Scale)[] scales)
    {
        var checks = new List<Check>();
        using var merged = new MergedLoras(net);
        using var mergedText = text is null ? null : new MergedLoras(text);
        var before = net.state_dict().ToDictionary(s => s.Key, s => s.Value.detach().clone(), StringComparer.Ordinal);
        foreach (var (suffix, scale) in scales)
        {
            merged.Set(lora.Layers("unet"), scale);
            mergedText?.Set(lora.Layers("text_encoder"), scale);
            checks.AddRange(Forward(golden, net, text, suffix).Select(c => c with { What = c.What + ", merged" }));
            if (suffix.Length > 0)
                continue;
            var state = net.state_dict();
            foreach (var name in golden.TensorNames.Where(n => n.StartsWith("out.merged.", StringComparison.Ordinal)).ToArray())
                checks.Add(golden.Compare(name, state[name["out.merged.".Length..]], CheckKind.Layer));
        }

        merged.Remove(lora.Layers("unet"));
        mergedText?.Remove(lora.Layers("text_encoder"));
        var left = net.state_dict().Count(s => !s.Value.Equals(before[s.Key]));
        checks.Add(Check.Count("weights that removing does not restore", left));
        return checks;
    }

    private static List<Check> Forward(GoldenCase golden, UNet net, ClipTextEncoder? text, string suffix)
    {
        using var scope = NewDisposeScope();
        var sample = golden.Input("in.sample");
        var result = net.call(
            sample, GoldenNetworks.Timestep(golden.Field("timestep")), golden.Input("in.context"), UNetGroup.Extras(golden, sample.shape[0]));
        var checks = new List<Check> { golden.Compare("out.unet" + suffix, result, CheckKind.Network) };
        if (text is null)
            return checks;
        using var output = text.Encode(golden.Read("in.ids"));
        checks.Add(golden.Compare("out.text" + suffix, output.LastHiddenState, CheckKind.Network));
        return checks;
    }

    /// <summary>The layers with their ranks and alphas, as the case lists them.</summary>
    private static IEnumerable<Check> Layers(GoldenCase golden, LoraFile lora)
    {
        var found = new Dictionary<string, LoraLayer>(StringComparer.Ordinal);
        foreach (var (component, label) in new[] { ("unet", "unet: "), ("text_encoder", "text: ") })
        {
            foreach (var layer in lora.Layers(component))
                found.Add(label + layer.Path, layer);
        }

        var listed = golden.Field("layers").EnumerateObject().ToDictionary(l => l.Name, l => l.Value.Only("layers", "rank", "alpha"), StringComparer.Ordinal);
        yield return Check.That("layers", found.Keys.ToHashSet().SetEquals(listed.Keys), "other layers are changed");
        var wrong = listed.Where(l => !found.TryGetValue(l.Key, out var layer) || layer.Rank != l.Value.GetProperty("rank").GetInt32() || !SameAlpha(l.Value, layer));
        yield return Check.Count("ranks and alphas", wrong.Count());
    }

    private static bool SameAlpha(JsonElement listed, LoraLayer layer)
    {
        var alpha = listed.GetProperty("alpha");

        // Where a file gives none, settings in its header may still say the same as the rank.
        return alpha.ValueKind == JsonValueKind.Null ? layer.Scale == 1 : Math.Abs(layer.Scale - (alpha.GetDouble() / layer.Rank)) < 1e-6;
    }

    private static IEnumerable<Check> Delta(GoldenCase golden)
    {
        var weights = golden.Field("weights").Only("weights", "prefixes", "unet_keys");
        var prefixes = weights.GetProperty("prefixes").EnumerateArray().Select(p => p.GetString()!).ToArray();
        if (prefixes.Length != 3)
            throw new FormatException("weights.prefixes: three networks are expected");
        var alphas = golden.Field("alpha").Doubles();
        for (var i = 0; i < alphas.Length; i++)
        {
            using var scope = NewDisposeScope();
            using var net = GoldenNetworks.Fill(golden, new UNet(UNetConfig.FromJson(golden.Field("config"))), prefixes[0]);
            var shapes = GoldenNetworks.ShapesOf(net);
            if (i == 0 && GoldenNetworks.ExpectedShapes(golden, weights) is { } expected)
                yield return GoldenNetworks.Keys("keys", net, expected);
            using var custom = new ProceduralWeights(golden.Numbers, shapes, prefixes[1]);
            using var basis = new ProceduralWeights(golden.Numbers, shapes, prefixes[2]);
            WeightDelta.Add(net, custom, basis, alphas[i]);
            var sample = golden.Input("in.sample");
            var result = net.call(sample, GoldenNetworks.Timestep(golden.Field("timestep")), golden.Input("in.context"), null);
            yield return golden.Compare($"out.unet_{i}", result, CheckKind.Network);
        }
    }
}
