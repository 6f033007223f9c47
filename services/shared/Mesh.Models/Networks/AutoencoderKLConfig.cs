using System.Text.Json;

namespace Mesh.Models.Networks;

/// <summary>The knobs of an AutoencoderKL, as its <c>config.json</c> states them.</summary>
public sealed record AutoencoderKLConfig
{
    private const double TileOverlap = 0.25;

    /// <summary>Channels of the picture that is encoded.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of the picture that is decoded.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Channels of the latent.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Width of each level, from the picture's side.</summary>
    public required int[] BlockOutChannels { get; init; }

    /// <summary>Residual blocks of each level of the encoder; the decoder has one more.</summary>
    public required int LayersPerBlock { get; init; }

    /// <summary>Groups of every group norm.</summary>
    public required int NormNumGroups { get; init; }

    /// <summary>Side in pixels that the network was made for, and of a tile.</summary>
    public required int SampleSize { get; init; }

    /// <summary>What latents are multiplied by where a U-Net sees them.</summary>
    public required double ScalingFactor { get; init; }

    /// <summary>What is subtracted from latents before they are scaled.</summary>
    public required double ShiftFactor { get; init; }

    /// <summary>Whether the network overflows in float16 and must run in float32 or bfloat16.</summary>
    public required bool ForceUpcast { get; init; }

    /// <summary>Whether the lowest level attends.</summary>
    public required bool MidBlockAttends { get; init; }

    /// <summary>Whether a 1x1 convolution follows the encoder.</summary>
    public required bool UseQuantConv { get; init; }

    /// <summary>Whether a 1x1 convolution precedes the decoder.</summary>
    public required bool UsePostQuantConv { get; init; }

    /// <summary>Pixels a latent's side.</summary>
    public int Factor => 1 << (BlockOutChannels.Length - 1);

    /// <summary>The tiles that the reference uses.</summary>
    public TileOptions Tiles => new(SampleSize, (int)((double)SampleSize / Factor), TileOverlap);

    /// <summary>Reads the <c>config.json</c> of an AutoencoderKL.</summary>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static AutoencoderKLConfig FromJson(JsonElement json)
    {
        var reader = new ConfigReader(json, "AutoencoderKL");
        reader.Only("act_fn", "\"silu\"");
        reader.Only("down_block_types", "\"DownEncoderBlock2D\"");
        reader.Only("up_block_types", "\"UpDecoderBlock2D\"");
        var config = new AutoencoderKLConfig
        {
            InChannels = reader.Int("in_channels", 3),
            OutChannels = reader.Int("out_channels", 3),
            LatentChannels = reader.Int("latent_channels", 4),
            BlockOutChannels = reader.Ints("block_out_channels", [64]),
            LayersPerBlock = reader.Int("layers_per_block", 1),
            NormNumGroups = reader.Int("norm_num_groups", 32),
            SampleSize = reader.Int("sample_size", 32),
            ScalingFactor = reader.Double("scaling_factor", 0.18215),
            ShiftFactor = reader.Double("shift_factor", 0),
            ForceUpcast = reader.Bool("force_upcast", true),
            MidBlockAttends = reader.Bool("mid_block_add_attention", true),
            UseQuantConv = reader.Bool("use_quant_conv", true),
            UsePostQuantConv = reader.Bool("use_post_quant_conv", true),
        };
        if (config.BlockOutChannels.Length == 0 || config.ScalingFactor == 0)
            throw reader.Fault("block_out_channels is empty or scaling_factor is 0");
        foreach (var key in new[] { "down_block_types", "up_block_types" })
        {
            var given = reader.Texts(key, []).Length;
            if (given != 0 && given != config.BlockOutChannels.Length)
                throw reader.Fault($"{key} has {given} entries for {config.BlockOutChannels.Length} levels");
        }

        if (config.BlockOutChannels.FirstOrDefault(w => w <= 0 || w % config.NormNumGroups != 0) is var odd && odd != 0)
            throw reader.Fault($"a width of {odd} cannot be split into {config.NormNumGroups} groups");
        reader.Done();
        return config;
    }
}

/// <summary>How a large picture or latent is cut into overlapping tiles.</summary>
/// <param name="SampleSide">Side of a tile in pixels.</param>
/// <param name="LatentSide">Side of a tile in latents.</param>
/// <param name="Overlap">Which share of a tile its neighbour covers as well.</param>
public sealed record TileOptions(int SampleSide, int LatentSide, double Overlap);
