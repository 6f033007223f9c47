using Google.Protobuf.WellKnownTypes;
using Mesh.Imaging;
using Mesh.Testing;
using Mesh.Training.Data;

namespace Mesh.Trainer.Tests;

/// <summary>A root folder with eight tiny pictures, and specifications of networks as small as they can be.</summary>
internal sealed class Workshop : IDisposable
{
    public const string Tokenizer = """{"data": "data", "vocabulary": 560, "positions": 12}""";

    private const string Text = """
        "vocab_size": 560, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 12, "eos_token_id": 559, "hidden_act": "quick_gelu"
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

    public string Root => _folder.Path;

    public string Path(string relative) => _folder.File(relative);

    /// <summary>An autoencoder's training, a tick every step.</summary>
    public static string Autoencoder(int steps, int checkpointSteps = 2, int sampleSteps = 3) => $$"""
        {"data": "data", "side": 16, "loss": {"divergence": 0.0001},
         "network": {"in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
                     "block_out_channels": [8, 8], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4, "mid_block_add_attention": false, "sample_size": 16},
         "train": {"batch": 4, "images": {{steps * 4}}, "rate": 0.003, "tick_steps": 1, "checkpoint_steps": {{checkpointSteps}}, "sample_steps": {{sampleSteps}} } }
        """;

    public static string Flow(string autoencoder, string tokenizer) => $$"""
        {"data": "data", "side": 16, "vae": "{{autoencoder}}/vae", "tokenizer": "{{tokenizer}}", "select": {"drop_captions": 0.1, "caption_weights": [1, 1]},
         "unet": {"sample_size": 8, "in_channels": 4, "out_channels": 4, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
                  "block_out_channels": [8, 16], "layers_per_block": 1, "attention_head_dim": 2, "cross_attention_dim": 16, "norm_num_groups": 4},
         "text_encoder": { {{Text}}, "bos_token_id": 558},
         "train": {"batch": 4, "images": 16, "rate": 0.003, "tick_steps": 2, "checkpoint_steps": 2} }
        """;

    public static string Pairs(string teacher) => $$"""{"teacher": "{{teacher}}", "data": "data", "count": 12, "per_file": 3, "batch": 3, "steps": 2}""";

    public static string Scorer(string tokenizer) => $$"""
        {"data": "data", "tokenizer": "{{tokenizer}}",
         "network": {"projection_dim": 8, "text_config": { {{Text}} },
                     "vision_config": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8} },
         "train": {"batch": 4, "images": 16, "rate": 0.003, "tick_steps": 2, "checkpoint_steps": 2} }
        """;

    public static string Evaluate(string model, string scorer) =>
        $$"""{"model": "{{model}}", "data": "data", "side": 16, "scorer": "{{scorer}}", "count": 6, "path_steps": 3, "batch": 4, "latency_runs": 0}""";

    public static Struct Read(string json) => Struct.Parser.ParseJson(json);

    public void Dispose() => _folder.Dispose();
}
