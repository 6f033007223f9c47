using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Cli.Verify;

/// <summary>Builds the networks of cases and fills them.</summary>
public static class GoldenNetworks
{
    /// <summary>A network by the reference's class name.</summary>
    /// <param name="name">Such as UNet2DConditionModel.</param>
    /// <param name="config">The class's configuration.</param>
    /// <param name="device">Where its weights are made; the meta device for names and shapes alone.</param>
    /// <exception cref="FormatException">A class that is not built here.</exception>
    public static Module Build(string name, JsonElement config, Device? device) => name switch
    {
        "UNet2DConditionModel" => new UNet(UNetConfig.FromJson(config), device),
        "ControlNetModel" => new ControlNet(ControlNetConfig.FromJson(config), device),
        "AutoencoderKL" => new AutoencoderKL(AutoencoderKLConfig.FromJson(config), device),
        "AutoencoderTiny" => new AutoencoderTiny(AutoencoderTinyConfig.FromJson(config), device),
        "CLIPTextModel" => new ClipTextEncoder(ClipTextConfig.FromJson(config, projection: false), device),
        "CLIPTextModelWithProjection" => new ClipTextEncoder(ClipTextConfig.FromJson(config, projection: true), device),
        _ => throw new FormatException($"{name}: no such network is built here"),
    };

    /// <summary>A filled network from <c>{class, prefix, config, state_dict}</c>, as pipelines describe theirs. Its names and shapes must be those.</summary>
    /// <exception cref="FormatException">They are not, or the description has another field.</exception>
    public static Module FromDescription(GoldenCase golden, JsonElement description)
    {
        description.Only("network", "class", "prefix", "config", "state_dict", "attention", "weights", "versions", "gains");
        var network = BlankNetwork.Make(device => Build(description.GetProperty("class").GetString()!, description.GetProperty("config"), device));
        var keys = Keys("state_dict", network, description.GetProperty("state_dict").Shapes());
        if (!keys.Ok)
            throw new FormatException(keys.Note);
        var gain = description.TryGetProperty("gains", out var gains) ? ProceduralWeights.Gains(gains) : null;
        return Fill(golden, network, description.Text("prefix") ?? "", gain);
    }

    /// <summary>Gives a network its procedural weights, and the type that the case is computed in.</summary>
    public static T Fill<T>(GoldenCase golden, T network, string prefix = "", Func<string, float>? gain = null)
        where T : Module
    {
        using (var weights = new ProceduralWeights(golden.Numbers, ShapesOf(network), prefix, gain))
            StrictLoader.Load(network.state_dict(), weights);
        network.eval();
        return golden.ComputeType == ScalarType.Float32 ? network : network.to(golden.ComputeType);
    }

    /// <summary>The names and shapes of a network's tensors.</summary>
    public static Dictionary<string, long[]> ShapesOf(Module network) =>
        network.state_dict().ToDictionary(s => s.Key, s => s.Value.shape, StringComparer.Ordinal);

    /// <summary>How many numbers a network learns.</summary>
    public static long ParametersOf(Module network) => network.parameters().Sum(p => p.numel());

    /// <summary>Compares a network's names and shapes with the reference's.</summary>
    public static Check Keys(string what, Module network, IReadOnlyDictionary<string, long[]> expected) => Keys(what, ShapesOf(network), expected);

    /// <summary>Compares names and shapes with the reference's.</summary>
    public static Check Keys(string what, IReadOnlyDictionary<string, long[]> actual, IReadOnlyDictionary<string, long[]> expected)
    {
        var faults = new List<string>();
        foreach (var (name, shape) in expected)
        {
            if (!actual.TryGetValue(name, out var own))
                faults.Add($"{name} missing");
            else if (!own.SequenceEqual(shape))
                faults.Add($"{name} is [{string.Join(",", own)}] instead of [{string.Join(",", shape)}]");
        }

        faults.AddRange(actual.Keys.Where(n => !expected.ContainsKey(n)).Select(n => $"{n} unexpected"));
        return Check.Count(what, faults.Count, 0, faults.Count == 0 ? null : string.Join("; ", faults.Take(3)));
    }

    /// <summary>
    /// The names and shapes that a case's <c>weights</c> give under <paramref name="field"/>, in the file that <c>shapes_in</c> names, or in the
    /// case that <c>network</c> or <c>unet_keys</c> names; null where they give none.
    /// </summary>
    public static Dictionary<string, long[]>? ExpectedShapes(GoldenCase golden, JsonElement weights, string field = "shapes")
    {
        if (weights.TryGetProperty(field, out var shapes))
            return shapes.Shapes();
        if (weights.Text("shapes_in") is { } file)
        {
            using var list = golden.Refer(file);
            return list.Json.GetProperty("shapes").Shapes();
        }

        var other = weights.Text("unet_keys") ?? (golden.Has("network") ? golden.Field("network").GetString() : null);
        if (other is null)
            return null;
        using var referred = golden.Refer(other);
        return ExpectedShapes(referred, referred.Json.GetProperty("weights"));
    }

    /// <summary>The gains of a case's <c>weights</c>; null where it has none.</summary>
    public static Func<string, float>? Gain(JsonElement weights) =>
        weights.TryGetProperty("gain", out var gain) ? ProceduralWeights.Gains(gain) : null;

    /// <summary>An object with the fields of <paramref name="extra"/> added or changed.</summary>
    public static JsonElement With(JsonElement config, JsonElement extra)
    {
        var merged = JsonObject.Create(config)!.DeepClone().AsObject();
        foreach (var property in extra.EnumerateObject())
            merged[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        return JsonSerializer.SerializeToElement(merged);
    }

    /// <summary>An object with one field changed.</summary>
    public static JsonElement With(JsonElement config, string field, JsonNode value)
    {
        var changed = JsonObject.Create(config)!.DeepClone().AsObject();
        changed[field] = value;
        return JsonSerializer.SerializeToElement(changed);
    }

    /// <summary>A timestep as a case gives it: one for all images, or a list with one each.</summary>
    public static Tensor Timestep(JsonElement value) => tensor(value.Doubles().Select(t => (float)t).ToArray());
}
