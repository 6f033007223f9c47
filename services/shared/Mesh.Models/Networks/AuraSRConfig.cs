using System.Text.Json;

namespace Mesh.Models.Networks;

/// <summary>The knobs of an AuraSR upsampler.</summary>
public sealed record AuraSRConfig
{
    /// <summary>Residual blocks of each stage.</summary>
    internal const int BlocksPerStage = 6;

    /// <summary>Width of the random vector that chooses the style.</summary>
    public required int StyleInput { get; init; }

    /// <summary>Width of the style.</summary>
    public required int StyleOutput { get; init; }

    /// <summary>Layers of the style network.</summary>
    public required int StyleDepth { get; init; }

    /// <summary>Width of the uppermost stage.</summary>
    public required int Dim { get; init; }

    /// <summary>Side of a tile that comes out.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Side of a tile that goes in.</summary>
    public required int InputImageSize { get; init; }

    /// <summary>What skips are multiplied by.</summary>
    public required double SkipScale { get; init; }

    /// <summary>Widths of the way up, in units of <see cref="Dim"/>, from the top.</summary>
    public required int[] UpMults { get; init; }

    /// <summary>Widths of the way down, in units of <see cref="Dim"/>, from the top.</summary>
    public required int[] DownMults { get; init; }

    /// <summary>Channels of a picture.</summary>
    public required int Channels { get; init; }

    /// <summary>Which stages of the way up attend, from the top.</summary>
    public required bool[] FullAttention { get; init; }

    /// <summary>Width of an attention head.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Number of attention heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Attention layers of each stage, from the top.</summary>
    public required int[] AttentionDepths { get; init; }

    /// <summary>Attention layers in the middle.</summary>
    public required int MidAttentionDepth { get; init; }

    /// <summary>Kernels in each bank.</summary>
    public required int Kernels { get; init; }

    /// <summary>How much larger a picture becomes.</summary>
    public int Scale => ImageSize / InputImageSize;

    /// <summary>Widths of the way up, from the top: the first is that of the output.</summary>
    internal int[] UpWidths => [Dim, .. UpMults.Select(m => Dim * m)];

    /// <summary>Widths of the way down, from the top: the first is that of the input convolution.</summary>
    internal int[] DownWidths => [UpWidths[UpMults.Length - DownMults.Length], .. DownMults.Select(m => Dim * m)];

    /// <summary>Reads AuraSR's <c>config.json</c>; keys that the published file leaves out are the reference class's own settings.</summary>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static AuraSRConfig FromJson(JsonElement json)
    {
        var reader = new ConfigReader(json, "AuraSR");
        var style = new ConfigReader(reader.Object("style_network") ?? throw reader.Fault("has no style_network"), "AuraSR's style network");
        style.Only("lr_mul", "0.1");
        style.Only("dim_text_latent", "0");
        reader.Only("unconditional", "true");
        reader.Ignore("resnet_block_groups", "resize_mode", "out_dim");
        var config = new AuraSRConfig
        {
            StyleInput = style.RequiredInt("dim_in"),
            StyleOutput = style.RequiredInt("dim_out"),
            StyleDepth = style.RequiredInt("depth"),
            Dim = reader.RequiredInt("dim"),
            ImageSize = reader.RequiredInt("image_size"),
            InputImageSize = reader.RequiredInt("input_image_size"),
            SkipScale = reader.Double("skip_connect_scale", Math.Pow(2, -0.5)),
            UpMults = reader.Ints("up_dim_mults", [1, 2, 4, 8, 16]),
            DownMults = reader.Ints("down_dim_mults", [4, 8, 16]),
            Channels = reader.Int("channels", 3),
            FullAttention = reader.Bools("full_attn", [false, false, false, true, true]),
            HeadSize = reader.Int("self_attn_dim_head", 64),
            Heads = reader.Int("self_attn_heads", 8),
            AttentionDepths = reader.Ints("attn_depths", [2, 2, 2, 2, 4]),
            MidAttentionDepth = reader.Int("mid_attn_depth", 4),
            Kernels = reader.Int("num_conv_kernels", 4),
        };
        style.Done();
        reader.Done();
        config.Validate(reader);
        return config;
    }

    private void Validate(ConfigReader reader)
    {
        var (ups, downs) = (UpMults.Length, DownMults.Length);
        if (downs == 0 || downs > ups || FullAttention.Length != ups || AttentionDepths.Length != ups)
            throw reader.Fault("lists of stages do not match each other");
        if (FullAttention.AsSpan(0, downs).Contains(true))
            throw reader.Fault("attention on the way down is not built here");
        if (InputImageSize <= 0 || ImageSize != InputImageSize << (ups - downs))
            throw reader.Fault($"{ups - downs} more stages up than down do not make {ImageSize} of {InputImageSize}");
        if (StyleDepth < 1 || Dim < 1 || Heads < 1 || HeadSize < 1 || Kernels < 1)
            throw reader.Fault("a size is not positive");
        if (!UpWidths[^1].Equals(DownWidths[^1]))
            throw reader.Fault("the ways down and up do not meet");
    }
}
