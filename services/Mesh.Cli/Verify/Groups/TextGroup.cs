using System.Globalization;
using System.Text.Json;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>CLIP text encoders: states, pooling, SDXL's pair.</summary>
public sealed class TextGroup : IGoldenGroup
{
    private const int SdxlSampleStep = 3;
    private static readonly long[] SampledRows = [0, 5, 76];
    private static readonly string[] Moments = ["mean", "std", "min", "max"];

    /// <inheritdoc/>
    public string Name => "text";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        if (golden.Has("text_encoder_2"))
            return Pair(golden);
        return golden.Has("positions") ? Pooling(golden) : Encoder(golden);
    }

    private static ClipTextEncoder Load(GoldenCase golden, JsonElement description, string configField = "config")
    {
        var projection = description.GetProperty("class").GetString() switch
        {
            "CLIPTextModel" => false,
            "CLIPTextModelWithProjection" => true,
            var other => throw new FormatException($"{other} is no text encoder"),
        };
        var config = ClipTextConfig.FromJson(description.GetProperty(configField), projection);
        return GoldenNetworks.Fill(golden, BlankNetwork.Make(device => new ClipTextEncoder(config, device)));
    }

    private static IEnumerable<Check> Encoder(GoldenCase golden)
    {
        golden.Knows("class", "config", "state_dict", "attention", "weights", "prompt", "statistics");
        using var inference = inference_mode();
        using var encoder = Load(golden, golden.Json);
        yield return GoldenNetworks.Keys("state_dict", encoder, golden.Field("state_dict").Shapes());
        foreach (var input in golden.TensorNames.Where(n => n.StartsWith("in.", StringComparison.Ordinal)).ToArray())
        {
            if (!input.EndsWith("input_ids", StringComparison.Ordinal))
                throw new FormatException($"{input}: unknown input");
            var set = input["in.".Length..^"input_ids".Length]; // "" or "short."
            using var ids = golden.Read(input);
            using var output = encoder.Encode(ids);
            foreach (var check in Compare(golden, "out." + set, output, set.Length > 0 ? "" : "short."))
                yield return check;
        }
    }

    private static IEnumerable<Check> Compare(GoldenCase golden, string prefix, ClipTextOutput output, string others)
    {
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).ToArray())
        {
            var what = name[prefix.Length..];
            if (others.Length > 0 && what.StartsWith(others, StringComparison.Ordinal))
                continue;
            var sampled = what.EndsWith(".rows", StringComparison.Ordinal);
            using var value = Value(output, sampled ? what[..^".rows".Length] : what);
            if (value is null)
                continue; // left over, which the runner reports
            using var compared = sampled ? value.select(0, 0).index_select(0, tensor(SampledRows, ScalarType.Int64)) : value.alias();
            yield return golden.Compare(name, compared, CheckKind.Network);
        }

        if (prefix == "out." && golden.Has("statistics"))
        {
            foreach (var entry in golden.Field("statistics").EnumerateObject())
                yield return Statistics(golden, entry, output);
        }
    }

    private static Check Statistics(GoldenCase golden, JsonProperty entry, ClipTextOutput output)
    {
        entry.Value.Only(entry.Name, Moments);
        using var value = Value(output, entry.Name) ?? throw new FormatException($"statistics of {entry.Name}: unknown output");
        using var statistics = GoldenCase.Statistics(value, unbiased: true);
        var expected = Moments.Select(k => entry.Value.GetProperty(k).GetDouble()).ToArray();
        if (golden.ComputeType == ScalarType.BFloat16)
            return Check.That($"statistics.{entry.Name} (not judged in bf16)", true);
        var actual = statistics.data<float>().ToArray().Select(v => (double)v).ToArray();
        return Check.Numbers($"statistics.{entry.Name}", actual, expected, Check.Allowed(golden.NoiseFloor, CheckKind.Network));
    }

    private static Tensor? Value(ClipTextOutput output, string what)
    {
        if (Numbered(what, "hidden_states.") is { } layer)
            return layer < output.HiddenStates.Count ? output.HiddenStates[layer].alias() : null;
        if (Numbered(what, "clip_skip.") is { } skip)
            return output.Skipped(skip);
        return what switch
        {
            "last_hidden_state" => output.LastHiddenState.alias(),
            "penultimate" => output.Penultimate().alias(),
            "pooler_output" => output.Pooled.alias(),
            "text_embeds" => output.TextEmbeds?.alias(),
            _ => null,
        };
    }

    private static int? Numbered(string what, string prefix) =>
        what.StartsWith(prefix, StringComparison.Ordinal) && int.TryParse(what.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : null;

    private static IEnumerable<Check> Pooling(GoldenCase golden)
    {
        golden.Knows("class", "config", "state_dict", "attention", "weights", "rows");
        using var inference = inference_mode();
        using var ids = golden.Read("in.input_ids");
        foreach (var rule in golden.Field("positions").EnumerateObject())
        {
            var field = golden.Has("config." + rule.Name) ? "config." + rule.Name : "config";
            golden.Knows(field);
            using var encoder = Load(golden, golden.Json, field);
            yield return GoldenNetworks.Keys("state_dict", encoder, golden.Field("state_dict").Shapes());
            yield return Check.That($"positions.{rule.Name}", encoder.EndPositions(ids).SequenceEqual(rule.Value.Longs()), "another position is pooled");
            using var output = encoder.Encode(ids);
            yield return golden.Compare($"out.text_embeds.{rule.Name}", output.TextEmbeds!, CheckKind.Network);
        }
    }

    private static IEnumerable<Check> Pair(GoldenCase golden)
    {
        golden.Knows("prompts", "prompt_2", "negative_prompt", "weights");
        using var inference = inference_mode();
        var encoders = new List<ClipTextEncoder>();
        foreach (var field in new[] { "text_encoder", "text_encoder_2" })
        {
            var description = golden.Field(field).Only(field, "class", "config", "attention", "weights", "state_dict", "versions");
            var encoder = Load(golden, description);
            encoders.Add(encoder);
            yield return GoldenNetworks.Keys($"{field}.state_dict", encoder, description.GetProperty("state_dict").Shapes());
        }

        foreach (var name in golden.TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal)).ToArray())
        {
            // out.SET.[negative_]{prompt_embeds, pooled}; SET says whose ids and how many layers are left out.
            var (set, what) = (name["out.".Length..name.LastIndexOf('.')], name[(name.LastIndexOf('.') + 1)..]);
            var negative = what.StartsWith("negative_", StringComparison.Ordinal);
            var skip = Numbered(set, "clip_skip.");
            var ids = negative ? "in.negative." : set == "plain" || skip is not null ? "in." : $"in.{set}.";
            using var scope = NewDisposeScope();
            var first = encoders[0].Encode(golden.Read(ids + "ids_1"));
            var second = encoders[1].Encode(golden.Read(ids + "ids_2"));
            var joined = cat([first.Penultimate(skip ?? 0), second.Penultimate(skip ?? 0)], -1); // [B, L, w1 + w2]
            switch (negative ? what["negative_".Length..] : what)
            {
                case "prompt_embeds":
                    yield return golden.Compare(name, joined.slice(1, 0, joined.shape[1], SdxlSampleStep), CheckKind.Network);
                    break;
                case "pooled":
                    yield return golden.Compare(name, second.TextEmbeds!, CheckKind.Network);
                    break;
                default:
                    throw new FormatException($"{name}: unknown output");
            }
        }

        encoders.ForEach(e => e.Dispose());
    }
}
