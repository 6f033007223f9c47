using System.Text.Json;
using Mesh.Models.Layers;
using TorchSharp;

namespace Mesh.Models.Networks;

/// <summary>The knobs of a UNet2DConditionModel, as its <c>config.json</c> states them.</summary>
public sealed record UNetConfig
{
    /// <summary>Channels of the latent that comes in.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of the prediction.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Side of the latent that the network was trained on; null where the file does not say.</summary>
    public required int? SampleSize { get; init; }

    /// <summary>Width of each level, from the top.</summary>
    public required int[] BlockOutChannels { get; init; }

    /// <summary>Which levels of the way down attend to the text.</summary>
    public required bool[] DownAttends { get; init; }

    /// <summary>Which levels of the way up attend to the text, from the bottom; empty for a network without a way up.</summary>
    public required bool[] UpAttends { get; init; }

    /// <summary>Residual blocks of each level of the way down; the way up has one more.</summary>
    public required int[] LayersPerBlock { get; init; }

    /// <summary>Attention heads of each level (the file's <c>attention_head_dim</c>).</summary>
    public required int[] Heads { get; init; }

    /// <summary>Transformer blocks of each level.</summary>
    public required int[] TransformerDepth { get; init; }

    /// <summary>Width of the text states.</summary>
    public required int CrossAttentionDim { get; init; }

    /// <summary>Whether the transformers' projections are linear layers instead of 1x1 convolutions.</summary>
    public required bool UseLinearProjection { get; init; }

    /// <summary>Width of each embedded size of SDXL's <c>text_time</c> conditioning; null for a network without it.</summary>
    public required int? AdditionTimeEmbedDim { get; init; }

    /// <summary>Width of the pooled text and the embedded sizes together; null for a network without them.</summary>
    public required int? ProjectionInputDim { get; init; }

    /// <summary>Width of the guidance embedding; null for a network without one.</summary>
    public required int? TimeCondProjDim { get; init; }

    /// <summary>Whether cosines come before sines.</summary>
    public required bool FlipSinToCos { get; init; }

    /// <summary>Shift in the frequencies' denominator.</summary>
    public required double FreqShift { get; init; }

    /// <summary>Groups of every group norm.</summary>
    public required int NormNumGroups { get; init; }

    /// <summary>Epsilon of the residual blocks' norms.</summary>
    public required double NormEps { get; init; }

    /// <summary>Width of the time embedding.</summary>
    public int TimeEmbedding => 4 * BlockOutChannels[0];

    /// <summary>Whether pooled text and sizes are added to the time embedding.</summary>
    public bool AddsTextAndTime => AdditionTimeEmbedDim is not null;

    /// <summary>Reads the <c>config.json</c> of a U-Net.</summary>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static UNetConfig FromJson(JsonElement json)
    {
        var reader = new ConfigReader(json, "UNet2DConditionModel");
        var config = Read(reader, hasUpBlocks: true);
        reader.Only("conv_out_kernel", "3");
        reader.Only("attention_type", "\"default\"");
        reader.Only("center_input_sample", "false");
        reader.Only("resnet_out_scale_factor", "1");
        reader.Only("time_embedding_type", "\"positional\"");
        reader.Ignore("dropout");
        reader.Done();
        return config;
    }

    /// <summary>Reads what a U-Net and a ControlNet share.</summary>
    internal static UNetConfig Read(ConfigReader reader, bool hasUpBlocks)
    {
        var widths = reader.Ints("block_out_channels", [320, 640, 1280, 1280]);
        var levels = widths.Length;
        if (levels == 0)
            throw reader.Fault("block_out_channels is empty");
        var down = reader.Texts("down_block_types", ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]);
        var up = hasUpBlocks ? reader.Texts("up_block_types", ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]) : [];
        var textTime = reader.Text("addition_embed_type", null) switch
        {
            null => false,
            "text_time" => true,
            var other => throw reader.Fault($"addition_embed_type = {other} is not built here"),
        };
        RefuseUnbuilt(reader);
        var config = new UNetConfig
        {
            InChannels = reader.Int("in_channels", 4),
            OutChannels = reader.Int("out_channels", 4),
            SampleSize = reader.IntOrNull("sample_size"),
            BlockOutChannels = widths,
            DownAttends = [.. down.Select(b => Attends(reader, b, "DownBlock2D"))],
            UpAttends = [.. up.Select(b => Attends(reader, b, "UpBlock2D"))],
            LayersPerBlock = reader.Each("layers_per_block", levels, 2),
            Heads = reader.Each("attention_head_dim", levels, 8),
            TransformerDepth = reader.Each("transformer_layers_per_block", levels, 1),
            CrossAttentionDim = reader.Int("cross_attention_dim", 1280),
            UseLinearProjection = reader.Bool("use_linear_projection", false),
            AdditionTimeEmbedDim = textTime ? reader.RequiredInt("addition_time_embed_dim") : null,
            ProjectionInputDim = textTime ? reader.RequiredInt("projection_class_embeddings_input_dim") : null,
            TimeCondProjDim = reader.IntOrNull("time_cond_proj_dim"),
            FlipSinToCos = reader.Bool("flip_sin_to_cos", true),
            FreqShift = reader.Double("freq_shift", 0),
            NormNumGroups = reader.Int("norm_num_groups", 32),
            NormEps = reader.Double("norm_eps", 1e-5),
        };
        if (config.DownAttends.Length != levels || (hasUpBlocks && config.UpAttends.Length != levels))
            throw reader.Fault($"block types do not match the {levels} entries of block_out_channels");
        config.Validate(reader);
        return config;
    }

    internal UNetBlockCommon Common(torch.Device? device) => new(TimeEmbedding, CrossAttentionDim, UseLinearProjection, NormNumGroups, NormEps, device);

    internal UNetBlockPlan DownPlan(int level) =>
        new(BlockOutChannels[level], LayersPerBlock[level], DownAttends[level], Heads[level], TransformerDepth[level]);

    internal UNetBlockPlan MidPlan() => new(BlockOutChannels[^1], 2, true, Heads[^1], TransformerDepth[^1]);

    /// <summary>The block <paramref name="index"/> of the way up, counted from the bottom.</summary>
    internal UNetBlockPlan UpPlan(int index)
    {
        var level = BlockOutChannels.Length - 1 - index;
        return new(BlockOutChannels[level], LayersPerBlock[level] + 1, UpAttends[index], Heads[level], TransformerDepth[level]);
    }

    /// <summary>Channels of every skip, in the order in which the way down makes them.</summary>
    internal List<int> SkipChannels()
    {
        List<int> skips = [BlockOutChannels[0]];
        for (var level = 0; level < BlockOutChannels.Length; level++)
        {
            var steps = LayersPerBlock[level] + (level < BlockOutChannels.Length - 1 ? 1 : 0);
            skips.AddRange(Enumerable.Repeat(BlockOutChannels[level], steps));
        }

        return skips;
    }

    private static bool Attends(ConfigReader reader, string block, string plain) =>
        block == "CrossAttn" + plain || (block == plain ? false : throw reader.Fault($"block type {block} is not built here"));

    private static void RefuseUnbuilt(ConfigReader reader)
    {
        reader.Only("act_fn", "\"silu\"", "\"swish\"");
        reader.Only("mid_block_type", "\"UNetMidBlock2DCrossAttn\"");
        reader.Only("mid_block_scale_factor", "1");
        reader.Only("downsample_padding", "1");
        reader.Only("conv_in_kernel", "3");
        reader.Only("only_cross_attention", "false");
        reader.Only("mid_block_only_cross_attention", "false");
        reader.Only("resnet_time_scale_shift", "\"default\"");

        // With a fused softmax in float32 the upcast changes nothing; the number of heads of addition_embed_type other than text_time neither.
        reader.Ignore("upcast_attention", "addition_embed_type_num_heads", "addition_time_embed_dim", "projection_class_embeddings_input_dim");
    }

    private void Validate(ConfigReader reader)
    {
        foreach (var (width, heads) in BlockOutChannels.Zip(Heads))
        {
            if (width <= 0 || width % NormNumGroups != 0)
                throw reader.Fault($"a width of {width} cannot be split into {NormNumGroups} groups");
            if (heads <= 0 || heads > width)
                throw reader.Fault($"{heads} attention heads for a width of {width}");
        }
    }
}
