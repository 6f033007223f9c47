using System.Globalization;
using System.Text.RegularExpressions;

namespace Mesh.Models.Weights;

/// <summary>
/// The names of the original latent-diffusion code and what they became in diffusers. Each function takes all names of one part, from which the
/// number of levels and of layers a level is read, and returns the translation of one name (null: not a name of that part).
/// </summary>
internal static partial class OriginalNames
{
    private static readonly (string Old, string New)[] Resnet =
    [
        ("in_layers.0.", "norm1."), ("in_layers.2.", "conv1."), ("emb_layers.1.", "time_emb_proj."),
        ("out_layers.0.", "norm2."), ("out_layers.3.", "conv2."), ("skip_connection.", "conv_shortcut."),
    ];

    private static readonly (string Old, string New)[] UNetEnds =
    [
        ("time_embed.0.", "time_embedding.linear_1."), ("time_embed.2.", "time_embedding.linear_2."),
        ("label_emb.0.0.", "add_embedding.linear_1."), ("label_emb.0.2.", "add_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."), ("out.0.", "conv_norm_out."), ("out.2.", "conv_out."),
    ];

    private static readonly (string Old, string New)[] AutoencoderMiddle =
    [
        ("norm.", "group_norm."), ("q.", "to_q."), ("k.", "to_k."), ("v.", "to_v."), ("proj_out.", "to_out.0."),
    ];

    private static readonly (string Old, string New)[] OpenClipLayer =
    [
        ("ln_1.", "layer_norm1."), ("ln_2.", "layer_norm2."), ("mlp.c_fc.", "mlp.fc1."), ("mlp.c_proj.", "mlp.fc2."), ("attn.out_proj.", "self_attn.out_proj."),
    ];

    /// <summary>U-Net: <c>input_blocks</c>, <c>middle_block</c>, <c>output_blocks</c>, counted through all levels.</summary>
    public static Func<string, string?> UNet(IEnumerable<string> names)
    {
        // A level ends with its downsampler, so the first of those tells how many blocks a level has.
        int perLevel = names.Select(n => Downsampler().Match(n)).Where(m => m.Success).Select(m => Number(m, 1)).DefaultIfEmpty(int.MaxValue).Min();
        return name => Replace(UNetEnds, name) ?? (InputBlock().Match(name) is { Success: true } input
            ? Input(Number(input, 1), input.Groups[2].Value, perLevel)
            : MiddleBlock().Match(name) is { Success: true } middle ? Middle(Number(middle, 1), middle.Groups[2].Value)
            : OutputBlock().Match(name) is { Success: true } output ? Output(Number(output, 1), output.Groups[2].Value, perLevel) : null);
    }

    /// <summary>Autoencoder: its decoder's levels are counted from the other end, its attention matrices are 1x1 convolutions.</summary>
    public static Func<string, IEnumerable<(string Name, WeightChange Change)>?> Autoencoder(IEnumerable<string> names)
    {
        int levels = names.Select(n => DecoderLevel().Match(n)).Where(m => m.Success).Select(m => Number(m, 1) + 1).DefaultIfEmpty(0).Max();
        return name =>
        {
            if (AutoencoderAttention().Match(name) is { Success: true } attention)
            {
                string? rest = Replace(AutoencoderMiddle, attention.Groups[2].Value);
                bool isMatrix = rest is not null && !rest.StartsWith("group_norm", StringComparison.Ordinal) && rest.EndsWith("weight", StringComparison.Ordinal);
                return rest is null ? null
                    : [($"{attention.Groups[1].Value}.mid_block.attentions.0.{rest}", isMatrix ? WeightChange.Squeeze : WeightChange.None)];
            }
            return AutoencoderPlain(name, levels) is { } plain ? [(plain, WeightChange.None)] : null;
        };
    }

    /// <summary>open_clip's text tower. With <paramref name="penultimate"/> the last layer and the projection are dropped: SD2 was trained without them.</summary>
    public static Func<string, IEnumerable<(string Name, WeightChange Change)>?> OpenClip(IEnumerable<string> names, bool penultimate)
    {
        int layers = names.Select(n => OpenClipBlock().Match(n)).Where(m => m.Success).Select(m => Number(m, 1) + 1).DefaultIfEmpty(0).Max();
        return name => name switch
        {
            "positional_embedding" => [("text_model.embeddings.position_embedding.weight", WeightChange.None)],
            "token_embedding.weight" => [("text_model.embeddings.token_embedding.weight", WeightChange.None)],
            "ln_final.weight" or "ln_final.bias" => [("text_model.final_layer_norm" + name["ln_final".Length..], WeightChange.None)],
            "text_projection" => penultimate ? [] : [("text_projection.weight", WeightChange.Transpose)],
            "logit_scale" or "attn_mask" => [],
            _ when OpenClipBlock().Match(name) is { Success: true } block =>
                penultimate && Number(block, 1) == layers - 1 ? [] : OpenClipLayerName(Number(block, 1), block.Groups[2].Value),
            _ => null,
        };
    }

    private static IEnumerable<(string Name, WeightChange Change)>? OpenClipLayerName(int layer, string rest)
    {
        string prefix = string.Create(CultureInfo.InvariantCulture, $"text_model.encoder.layers.{layer}.");
        if (rest is "attn.in_proj_weight" or "attn.in_proj_bias")
        {
            string kind = rest["attn.in_proj_".Length..];
            return
            [
                ($"{prefix}self_attn.q_proj.{kind}", WeightChange.FirstThird),
                ($"{prefix}self_attn.k_proj.{kind}", WeightChange.SecondThird),
                ($"{prefix}self_attn.v_proj.{kind}", WeightChange.LastThird),
            ];
        }
        return Replace(OpenClipLayer, rest) is { } name ? [(prefix + name, WeightChange.None)] : null;
    }

    private static string? Input(int index, string rest, int perLevel)
    {
        int level = (index - 1) / perLevel, layer = (index - 1) % perLevel;
        if (index < 1)
            return null;
        if (rest.StartsWith("0.op.", StringComparison.Ordinal))
            return $"down_blocks.{level}.downsamplers.0.conv.{rest["0.op.".Length..]}";
        return Layer($"down_blocks.{level}", layer, rest);
    }

    private static string? Output(int index, string rest, int perLevel)
    {
        int level = index / perLevel, layer = index % perLevel;
        foreach (string conv in (string[])["1.conv.", "2.conv."])
        {
            if (rest.StartsWith(conv, StringComparison.Ordinal))
                return $"up_blocks.{level}.upsamplers.0.conv.{rest[conv.Length..]}";
        }
        return Layer($"up_blocks.{level}", layer, rest);
    }

    private static string? Middle(int index, string rest) => index switch
    {
        0 or 2 => Replace(Resnet, rest) is { } inside ? $"mid_block.resnets.{index / 2}.{inside}" : null,
        1 => $"mid_block.attentions.0.{rest}",
        _ => null,
    };

    private static string? Layer(string block, int layer, string rest) => rest[0] switch
    {
        '0' => Replace(Resnet, rest[2..]) is { } inside ? $"{block}.resnets.{layer}.{inside}" : null,
        '1' => $"{block}.attentions.{layer}.{rest[2..]}",
        _ => null,
    };

    private static string? AutoencoderPlain(string name, int levels)
    {
        if (name.StartsWith("quant_conv.", StringComparison.Ordinal) || name.StartsWith("post_quant_conv.", StringComparison.Ordinal))
            return name;
        if (AutoencoderBlock().Match(name) is { Success: true } block)
        {
            int level = Number(block, 3);
            string stem = block.Groups[2].Value == "down" ? $"encoder.down_blocks.{level}" : $"decoder.up_blocks.{levels - 1 - level}";
            return $"{stem}.resnets.{block.Groups[4].Value}.{block.Groups[5].Value.Replace("nin_shortcut.", "conv_shortcut.", StringComparison.Ordinal)}";
        }
        if (AutoencoderSampler().Match(name) is { Success: true } sampler)
        {
            int level = Number(sampler, 2);
            return sampler.Groups[1].Value == "encoder"
                ? $"encoder.down_blocks.{level}.downsamplers.0.conv.{sampler.Groups[3].Value}"
                : $"decoder.up_blocks.{levels - 1 - level}.upsamplers.0.conv.{sampler.Groups[3].Value}";
        }
        if (AutoencoderMid().Match(name) is { Success: true } middle)
            return $"{middle.Groups[1].Value}.mid_block.resnets.{Number(middle, 2) - 1}.{middle.Groups[3].Value}";
        return AutoencoderEnd().Match(name) is { Success: true } end
            ? $"{end.Groups[1].Value}.{(end.Groups[2].Value == "norm_out" ? "conv_norm_out" : end.Groups[2].Value)}.{end.Groups[3].Value}"
            : null;
    }

    private static string? Replace((string Old, string New)[] table, string name)
    {
        foreach (var (old, current) in table)
        {
            if (name.StartsWith(old, StringComparison.Ordinal))
                return current + name[old.Length..];
        }
        return null;
    }

    private static int Number(Match match, int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^input_blocks\.(\d{1,4})\.0\.op\.")]
    private static partial Regex Downsampler();

    [GeneratedRegex(@"^input_blocks\.(\d{1,4})\.([01]\..+)$")]
    private static partial Regex InputBlock();

    [GeneratedRegex(@"^middle_block\.(\d)\.(.+)$")]
    private static partial Regex MiddleBlock();

    [GeneratedRegex(@"^output_blocks\.(\d{1,4})\.([012]\..+)$")]
    private static partial Regex OutputBlock();

    [GeneratedRegex(@"^decoder\.up\.(\d{1,4})\.")]
    private static partial Regex DecoderLevel();

    [GeneratedRegex(@"^(encoder|decoder)\.mid\.attn_1\.(.+)$")]
    private static partial Regex AutoencoderAttention();

    [GeneratedRegex(@"^(?:(encoder)\.(?=down)|decoder\.(?=up))(down|up)\.(\d{1,4})\.block\.(\d{1,4})\.((?:norm1|norm2|conv1|conv2|nin_shortcut)\.(?:weight|bias))$")]
    private static partial Regex AutoencoderBlock();

    [GeneratedRegex(@"^(encoder|decoder)\.(?:down|up)\.(\d{1,4})\.(?:downsample|upsample)\.conv\.(weight|bias)$")]
    private static partial Regex AutoencoderSampler();

    [GeneratedRegex(@"^(encoder|decoder)\.mid\.block_([12])\.((?:norm1|norm2|conv1|conv2)\.(?:weight|bias))$")]
    private static partial Regex AutoencoderMid();

    [GeneratedRegex(@"^(encoder|decoder)\.(conv_in|conv_out|norm_out)\.(weight|bias)$")]
    private static partial Regex AutoencoderEnd();

    [GeneratedRegex(@"^transformer\.resblocks\.(\d{1,4})\.(.+)$")]
    private static partial Regex OpenClipBlock();
}
