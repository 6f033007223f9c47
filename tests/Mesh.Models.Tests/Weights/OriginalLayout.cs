using Mesh.Models.Weights;

namespace Mesh.Models.Tests.Weights;

/// <summary>Names and shapes as the original latent-diffusion code makes them, written after the order in which it builds its layers.</summary>
internal sealed class OriginalLayout
{
    private readonly Dictionary<string, long[]> _shapes = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, long[]> Shapes => _shapes;

    /// <summary>A U-Net of 320 channels and two residual blocks a level.</summary>
    /// <param name="multipliers">Channels of each level in units of 320.</param>
    /// <param name="depths">Transformer blocks of each level; 0 for none.</param>
    /// <param name="context">Width of the text.</param>
    /// <param name="isLinear">Whether transformers are entered by matrices instead of 1x1 convolutions.</param>
    /// <param name="label">Width of the added vector, or 0.</param>
    public static OriginalLayout UNet(int[] multipliers, int[] depths, int context, bool isLinear, int label)
    {
        var layout = new OriginalLayout();
        layout.Affine("time_embed.0", 1280, 320).Affine("time_embed.2", 1280, 1280);
        if (label > 0)
            layout.Affine("label_emb.0.0", 1280, label).Affine("label_emb.0.2", 1280, 1280);
        layout.Convolution("input_blocks.0.0", 320, 4, 3);
        var skips = new Stack<int>([320]);
        int channels = 320, block = 1;
        for (int level = 0; level < multipliers.Length; level++)
        {
            for (int i = 0; i < 2; i++, block++)
            {
                layout.Residual($"input_blocks.{block}.0", channels, multipliers[level] * 320);
                channels = multipliers[level] * 320;
                layout.Transformer($"input_blocks.{block}.1", channels, depths[level], context, isLinear);
                skips.Push(channels);
            }
            if (level == multipliers.Length - 1)
                continue;
            layout.Convolution($"input_blocks.{block++}.0.op", channels, channels, 3);
            skips.Push(channels);
        }
        layout.Residual("middle_block.0", channels, channels).Transformer("middle_block.1", channels, Math.Max(1, depths[^1]), context, isLinear)
            .Residual("middle_block.2", channels, channels);
        block = 0;
        for (int level = multipliers.Length - 1; level >= 0; level--)
        {
            for (int i = 0; i < 3; i++, block++)
            {
                layout.Residual($"output_blocks.{block}.0", channels + skips.Pop(), multipliers[level] * 320);
                channels = multipliers[level] * 320;
                layout.Transformer($"output_blocks.{block}.1", channels, depths[level], context, isLinear);
                if (level > 0 && i == 2)
                    layout.Convolution($"output_blocks.{block}.{(depths[level] > 0 ? 2 : 1)}.conv", channels, channels, 3);
            }
        }
        return layout.Norm("out.0", 320).Convolution("out.2", 4, 320, 3);
    }

    /// <summary>The autoencoder of SD1 to SDXL.</summary>
    public static OriginalLayout Autoencoder()
    {
        int[] widths = [128, 256, 512, 512];
        var layout = new OriginalLayout().Convolution("encoder.conv_in", 128, 3, 3);
        int channels = 128;
        for (int level = 0; level < 4; level++)
        {
            for (int i = 0; i < 2; i++, channels = widths[level])
                layout.Block($"encoder.down.{level}.block.{i}", channels, widths[level]);
            if (level < 3)
                layout.Convolution($"encoder.down.{level}.downsample.conv", channels, channels, 3);
        }
        layout.Middle("encoder").Norm("encoder.norm_out", 512).Convolution("encoder.conv_out", 8, 512, 3);
        layout.Convolution("decoder.conv_in", 512, 4, 3).Middle("decoder");
        for (int level = 3; level >= 0; level--)
        {
            for (int i = 0; i < 3; i++, channels = widths[level])
                layout.Block($"decoder.up.{level}.block.{i}", channels, widths[level]);
            if (level > 0)
                layout.Convolution($"decoder.up.{level}.upsample.conv", channels, channels, 3);
        }
        return layout.Norm("decoder.norm_out", 128).Convolution("decoder.conv_out", 3, 128, 3)
            .Convolution("quant_conv", 8, 8, 1).Convolution("post_quant_conv", 4, 4, 1);
    }

    /// <summary>The names with a prefix, as a source that has shapes only.</summary>
    public IWeightSource Source(string prefix) => new ShapesOnly(_shapes.ToDictionary(s => prefix + s.Key, s => new TensorEntry(DType.F32, s.Value)));

    private OriginalLayout Middle(string part)
    {
        Block($"{part}.mid.block_1", 512, 512).Block($"{part}.mid.block_2", 512, 512).Norm($"{part}.mid.attn_1.norm", 512);
        foreach (string name in (string[])["q", "k", "v", "proj_out"])
            Convolution($"{part}.mid.attn_1.{name}", 512, 512, 1);
        return this;
    }

    private OriginalLayout Block(string name, int input, int output)
    {
        Norm($"{name}.norm1", input).Convolution($"{name}.conv1", output, input, 3).Norm($"{name}.norm2", output).Convolution($"{name}.conv2", output, output, 3);
        return input == output ? this : Convolution($"{name}.nin_shortcut", output, input, 1);
    }

    private OriginalLayout Residual(string name, int input, int output)
    {
        Norm($"{name}.in_layers.0", input).Convolution($"{name}.in_layers.2", output, input, 3).Affine($"{name}.emb_layers.1", output, 1280);
        Norm($"{name}.out_layers.0", output).Convolution($"{name}.out_layers.3", output, output, 3);
        return input == output ? this : Convolution($"{name}.skip_connection", output, input, 1);
    }

    private OriginalLayout Transformer(string name, int width, int depth, int context, bool isLinear)
    {
        if (depth == 0)
            return this;
        Norm($"{name}.norm", width);
        foreach (string end in (string[])["proj_in", "proj_out"])
            _ = isLinear ? Affine($"{name}.{end}", width, width) : Convolution($"{name}.{end}", width, width, 1);
        for (int i = 0; i < depth; i++)
        {
            string block = $"{name}.transformer_blocks.{i}";
            Norm($"{block}.norm1", width).Norm($"{block}.norm2", width).Norm($"{block}.norm3", width);
            foreach (var (attention, from) in (ReadOnlySpan<(string, int)>)[("attn1", width), ("attn2", context)])
            {
                _shapes[$"{block}.{attention}.to_q.weight"] = [width, width];
                _shapes[$"{block}.{attention}.to_k.weight"] = [width, from];
                _shapes[$"{block}.{attention}.to_v.weight"] = [width, from];
                Affine($"{block}.{attention}.to_out.0", width, width);
            }
            Affine($"{block}.ff.net.0.proj", 8 * width, width).Affine($"{block}.ff.net.2", width, 4 * width);
        }
        return this;
    }

    private OriginalLayout Convolution(string name, int output, int input, int size)
    {
        _shapes[name + ".weight"] = [output, input, size, size];
        _shapes[name + ".bias"] = [output];
        return this;
    }

    private OriginalLayout Affine(string name, int output, int input)
    {
        _shapes[name + ".weight"] = [output, input];
        _shapes[name + ".bias"] = [output];
        return this;
    }

    private OriginalLayout Norm(string name, int width)
    {
        _shapes[name + ".weight"] = [width];
        _shapes[name + ".bias"] = [width];
        return this;
    }

    private sealed class ShapesOnly(IReadOnlyDictionary<string, TensorEntry> entries) : IWeightSource
    {
        public IReadOnlyDictionary<string, TensorEntry> Entries { get; } = entries;

        public TorchSharp.torch.Tensor Read(string name, TorchSharp.torch.ScalarType dtype) => throw new InvalidOperationException("shapes only");
    }
}
