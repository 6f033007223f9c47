namespace Mesh.Models.Lora;

/// <summary>Which factor of a layer a tensor of a LoRA file is.</summary>
internal enum LoraPart
{
    Down,
    Up,
    Mid,
    Alpha,
}

/// <summary>A tensor's name in a LoRA file, taken apart.</summary>
/// <param name="Component">unet, text_encoder or text_encoder_2; null where the name does not say.</param>
/// <param name="Name">The layer: a module path, or one with underscores for dots.</param>
/// <param name="Underscored">Whether it has underscores for dots, as kohya writes them.</param>
/// <param name="Part">Which factor.</param>
internal sealed record LoraKey(string? Component, string Name, bool Underscored, LoraPart Part)
{
    private static readonly (string Suffix, LoraPart Part)[] Suffixes =
    [
        (".lora_down.weight", LoraPart.Down),
        (".lora_up.weight", LoraPart.Up),
        (".lora_mid.weight", LoraPart.Mid),
        (".lora_A.weight", LoraPart.Down),
        (".lora_B.weight", LoraPart.Up),
        (".lora_linear_layer.down.weight", LoraPart.Down),
        (".lora_linear_layer.up.weight", LoraPart.Up),
        (".lora.down.weight", LoraPart.Down),
        (".lora.up.weight", LoraPart.Up),
        ("_lora.down.weight", LoraPart.Down),
        ("_lora.up.weight", LoraPart.Up),
        (".alpha", LoraPart.Alpha),
    ];

    private static readonly (string Prefix, string Component)[] Kohya =
        [("lora_unet_", "unet"), ("lora_te1_", "text_encoder"), ("lora_te2_", "text_encoder_2"), ("lora_te_", "text_encoder")];

    private static readonly (string Prefix, string Component)[] Dotted =
        [("unet.", "unet"), ("text_encoder_2.", "text_encoder_2"), ("text_encoder.", "text_encoder")];

    /// <summary>Takes a name apart.</summary>
    /// <exception cref="LoraFormatException">It belongs to another method than LoRA, or to none that is known.</exception>
    public static LoraKey Parse(string key)
    {
        foreach (var (suffix, part) in Suffixes)
        {
            if (!key.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            var stem = key[..^suffix.Length];
            foreach (var (prefix, component) in Kohya)
            {
                if (stem.StartsWith(prefix, StringComparison.Ordinal))
                    return new LoraKey(component, stem[prefix.Length..], true, part);
            }

            stem = stem.Replace(".processor.", ".", StringComparison.Ordinal);
            foreach (var (prefix, component) in Dotted)
            {
                if (stem.StartsWith(prefix, StringComparison.Ordinal))
                    return new LoraKey(component, stem[prefix.Length..], false, part);
            }

            return new LoraKey(null, stem, false, part);
        }

        throw new LoraFormatException($"{key}: {Explain(key)}");
    }

    private static string Explain(string key)
    {
        foreach (var (mark, method) in new[]
        {
            ("dora_scale", "DoRA"), ("lora_magnitude_vector", "DoRA"), ("hada_", "LoHa"), ("lokr_", "LoKr"), ("oft_", "OFT"), ("bias", "a LoRA with biases"),
        })
        {
            if (key.Contains(mark, StringComparison.Ordinal))
                return $"{method} is not applied here";
        }

        return "not a name of a LoRA file";
    }
}
