using System.Text.RegularExpressions;
using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>The layers of one network that a LoRA can change, by every name that a file may give them.</summary>
internal sealed partial class LoraTargets
{
    private readonly Dictionary<string, Module> _layers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _underscored = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _original = new(StringComparer.Ordinal);

    public LoraTargets(Module network)
    {
        foreach (var (path, module) in network.named_modules())
        {
            if (module is TorchSharp.Modules.Linear or TorchSharp.Modules.Convolution)
                _layers[path] = module;
        }

        foreach (var path in _layers.Keys)
        {
            _underscored[Flat(path)] = path;
            if (Original(path) is { } original)
                _original[Flat(original)] = path;
        }
    }

    /// <summary>The layer at a module path.</summary>
    public Module this[string path] => _layers[path];

    /// <summary>The weight at a module path.</summary>
    public TorchSharp.Modules.Parameter Weight(string path) => _layers[path] switch
    {
        TorchSharp.Modules.Linear linear => linear.weight!,
        TorchSharp.Modules.Convolution convolution => convolution.weight!,
        var other => throw new InvalidOperationException($"{path} is a {other.GetType().Name}"),
    };

    /// <summary>The module path that a file's name means; null where the network has no such layer.</summary>
    /// <param name="key">The name.</param>
    /// <param name="original">Whether it is one of the original (SGM) implementation.</param>
    public string? Resolve(LoraKey key, out bool original)
    {
        original = false;
        if (key.Underscored)
        {
            if (_underscored.TryGetValue(key.Name, out var path))
                return path;
            original = _original.TryGetValue(key.Name, out path);
            return path;
        }

        return Spellings(key.Name).FirstOrDefault(_layers.ContainsKey);
    }

    private static string Flat(string path) => path.Replace('.', '_');

    private static IEnumerable<string> Spellings(string name)
    {
        foreach (var path in new[] { name, "text_model." + name })
        {
            yield return path;
            yield return path + ".0"; // to_out of old files
            var attention = path.LastIndexOf(".to_", StringComparison.Ordinal);
            if (attention >= 0)
                yield return path[..attention] + "." + path[(attention + 4)..] + "_proj"; // to_q of old files' text encoders
        }
    }

    /// <summary>The path that the original implementation of SDXL's U-Net has for a layer; null where it has none.</summary>
    private string? Original(string path)
    {
        switch (path)
        {
            case "conv_in": return "input_blocks.0.0";
            case "conv_out": return "out.2";
            case "time_embedding.linear_1": return "time_embed.0";
            case "time_embedding.linear_2": return "time_embed.2";
            case "add_embedding.linear_1": return "label_emb.0.0";
            case "add_embedding.linear_2": return "label_emb.0.2";
        }

        if (BlockPath().Match(path) is not { Success: true } match)
            return null;
        var (side, kind, rest) = (match.Groups["side"].Value, match.Groups["kind"].Value, match.Groups["rest"].Value);
        var index = int.Parse(match.Groups["index"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture);
        var inner = rest switch
        {
            "conv1" => "in_layers.2",
            "conv2" => "out_layers.3",
            "time_emb_proj" => "emb_layers.1",
            "conv_shortcut" => "skip_connection",
            _ => rest,
        };
        if (side == "mid_block")
            return $"middle_block.{(kind == "attentions" ? 1 : 2 * index)}.{inner}";
        var block = int.Parse(match.Groups["block"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture);
        var prefix = $"{side}.{block}.";
        var resnets = Count(prefix + "resnets.");
        var stride = side == "down_blocks" ? resnets + 1 : resnets;
        return (side, kind) switch
        {
            ("down_blocks", "downsamplers") => $"input_blocks.{stride * (block + 1)}.0.op",
            ("down_blocks", _) => $"input_blocks.{(stride * block) + 1 + index}.{(kind == "attentions" ? 1 : 0)}.{inner}",
            (_, "upsamplers") => $"output_blocks.{(stride * block) + resnets - 1}.{(Count(prefix + "attentions.") > 0 ? 2 : 1)}.conv",
            _ => $"output_blocks.{(stride * block) + index}.{(kind == "attentions" ? 1 : 0)}.{inner}",
        };
    }

    /// <summary>How many numbered modules stand below a prefix.</summary>
    private int Count(string prefix) =>
        _layers.Keys.Where(p => p.StartsWith(prefix, StringComparison.Ordinal)).Select(p => p[prefix.Length..].Split('.')[0]).Distinct().Count();

    [GeneratedRegex(@"^(?<side>mid_block|(down|up)_blocks)(\.(?<block>\d+))?\.(?<kind>resnets|attentions|downsamplers|upsamplers)\.(?<index>\d+)\.(?<rest>.+)$")]
    private static partial Regex BlockPath();
}
