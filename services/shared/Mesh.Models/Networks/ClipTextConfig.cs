using System.Text.Json;

namespace Mesh.Models.Networks;

/// <summary>The knobs of a CLIP text encoder, as its <c>config.json</c> states them.</summary>
public sealed record ClipTextConfig
{
    /// <summary>Number of token ids.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the states.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width inside the feed-forward part.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of the projected text; null for an encoder without projection.</summary>
    public required int? ProjectionDim { get; init; }

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads of each layer.</summary>
    public required int Heads { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Whether the activation is x·σ(1.702x) instead of GELU.</summary>
    public required bool QuickGelu { get; init; }

    /// <summary>Epsilon of the layer norms.</summary>
    public required double LayerNormEps { get; init; }

    /// <summary>The end-of-text id; 2 means the older rule, by which the largest id of a row is pooled.</summary>
    public required int EosTokenId { get; init; }

    /// <summary>Reads the <c>config.json</c> of a CLIPTextModel or CLIPTextModelWithProjection.</summary>
    /// <param name="json">The file.</param>
    /// <param name="projection">Whether the class is the one with projection: the file's <c>projection_dim</c> says nothing about that.</param>
    /// <exception cref="ModelConfigException">It is malformed or asks for what is not built here.</exception>
    public static ClipTextConfig FromJson(JsonElement json, bool projection)
    {
        // Keys without influence are many in files of this kind, so unknown ones are passed over.
        var reader = new ConfigReader(json, "CLIPTextModel");
        reader.Only("model_type", "\"clip_text_model\"");
        var config = new ClipTextConfig
        {
            VocabSize = reader.Int("vocab_size", 49408),
            HiddenSize = reader.Int("hidden_size", 512),
            IntermediateSize = reader.Int("intermediate_size", 2048),
            ProjectionDim = projection ? reader.Int("projection_dim", 512) : null,
            Layers = reader.Int("num_hidden_layers", 12),
            Heads = reader.Int("num_attention_heads", 8),
            MaxPositions = reader.Int("max_position_embeddings", 77),
            QuickGelu = reader.Text("hidden_act", "quick_gelu") switch
            {
                "quick_gelu" => true,
                "gelu" => false,
                var act => throw reader.Fault($"hidden_act = {act} is not built here"),
            },
            LayerNormEps = reader.Double("layer_norm_eps", 1e-5),
            EosTokenId = reader.Int("eos_token_id", 49407),
        };
        if (config.Heads <= 0 || config.HiddenSize % config.Heads != 0)
            throw reader.Fault($"{config.Heads} heads do not divide a width of {config.HiddenSize}");
        return config;
    }
}
