using Mesh.Imaging;
using Mesh.Testing;
using Mesh.Training.Data;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;

namespace Mesh.Training.Tests.Jobs;

/// <summary>A root folder with a few tiny pictures, and configurations of networks as small as they can be.</summary>
internal sealed class Workshop : IDisposable
{
    public const string Tokenizer = "{data: data, vocabulary: 560, positions: 12}";

    public const string Autoencoder = """
        {data: data, side: 16, loss: {divergence: 0.0001},
         network: {in_channels: 3, out_channels: 3, down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D], up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D],
                   block_out_channels: [8, 8], layers_per_block: 1, latent_channels: 4, norm_num_groups: 4, mid_block_add_attention: false, sample_size: 16},
         train: {batch: 4, images: 24, rate: 0.003, tick_steps: 2, checkpoint_steps: 2, sample_steps: 3}}
        """;

    public const string Scorer = """
        {data: data, tokenizer: runs/tokenizer/result,
         network: {projection_dim: 8,
                   text_config: {vocab_size: 560, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 12,
                                 eos_token_id: 559, hidden_act: quick_gelu},
                   vision_config: {hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, image_size: 16, patch_size: 8}},
         train: {batch: 4, images: 24, rate: 0.003, tick_steps: 2, checkpoint_steps: 2, sample_steps: 3}}
        """;

    private const string Networks = """
        unet: {sample_size: 8, in_channels: 4, out_channels: 4, down_block_types: [CrossAttnDownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, CrossAttnUpBlock2D],
                block_out_channels: [8, 16], layers_per_block: 1, attention_head_dim: 2, cross_attention_dim: 16, norm_num_groups: 4},
         text_encoder: {vocab_size: 560, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 12,
                        eos_token_id: 559, bos_token_id: 558, hidden_act: quick_gelu}
        """;

    private static readonly string[] Colours = ["red", "green", "blue", "yellow", "white", "black", "pink", "cyan"];

    private readonly TempFolder _folder = new();

    public Workshop()
    {
        var pictures = Colours.Select((_, i) =>
        {
            var picture = Image.Filled(16, 16, (byte)(i % 2 * 255), (byte)(i / 2 % 2 * 255), (byte)(i / 4 * 255));
            picture.Paste(Image.Filled(6, 6, 90, 90, 90), i, 4);
            return picture;
        });
        PictureShards.Write(Path("data"), "", pictures, Colours.Select((c, i) =>
            $$"""{"captions": ["a {{c}} square", "{{c}}"], "style": "flat", "split": "{{(i == 7 ? "test" : "train")}}"}"""));
    }

    public static string Flow(string more = "") => $$"""
        {data: data, side: 16, vae: runs/autoencoder/result/vae, tokenizer: runs/tokenizer/result, select: {drop_captions: 0.1, caption_weights: [1, 1]},
         {{more}} {{Networks}},
         train: {batch: 4, images: 24, rate: 0.003, tick_steps: 2, checkpoint_steps: 2, sample_steps: 3} }
        """;

    public static string Distil(string loss) => $$"""
        {pairs: runs/pairs/result, vae: runs/autoencoder/result/vae, tokenizer: runs/tokenizer/result, start: runs/flow/result, loss: {{loss}},
         train: {batch: 4, images: 16, rate: 0.001, tick_steps: 2, checkpoint_steps: 2, sample_steps: 2} }
        """;

    public string Root => _folder.Path;

    public string Path(string relative) => _folder.File(relative);

    public List<TrainingEvent> Run(string kind, string yaml, string? name = null, bool resume = false, Action<TrainingEvent>? also = null, CancellationToken cancel = default)
    {
        var events = new List<TrainingEvent>();
        JobPlans.Parse(kind, yaml, Root).Run(new JobContext(
            new RunFolder(Path($"runs/{name ?? kind}")), resume,
            e =>
            {
                events.Add(e);
                also?.Invoke(e);
            },
            cancel));
        return events;
    }

    /// <summary>Runs what a flow needs before it.</summary>
    public Workshop WithAutoencoder()
    {
        Run("tokenizer", Tokenizer);
        Run("autoencoder", Autoencoder);
        return this;
    }

    public void Dispose() => _folder.Dispose();
}
