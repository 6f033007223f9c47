using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Training.Evaluation;

/// <summary>A CLIP model in transformers' folder: <c>config.json</c>, <c>model.safetensors</c>, the tokenizer's files beside them.</summary>
public sealed class ClipFolder : IDisposable
{
    private const int Choices = 64;

    private ClipFolder(string path, ClipModel model, ClipTokenizer tokenizer) => (FolderPath, Model, Tokenizer) = (path, model, tokenizer);

    /// <summary>Where it lies.</summary>
    public string FolderPath { get; }

    /// <summary>The towers, frozen.</summary>
    public ClipModel Model { get; }

    /// <summary>The text tower's tokenizer.</summary>
    public ClipTokenizer Tokenizer { get; }

    /// <summary>Opens a folder.</summary>
    /// <exception cref="WeightFileException">The files are not there or do not fit.</exception>
    /// <exception cref="ModelConfigException">The configuration is not one of a CLIP model.</exception>
    public static ClipFolder Open(string path)
    {
        var component = ModelComponent.Open(path);
        var model = Create(component.RequireConfig());
        using (var weights = component.OpenWeights())
            model.Load(weights);
        model.Text.Freeze();
        model.Vision.Freeze();
        return new ClipFolder(path, model, ClipTokenizer.Load(path, new ClipTokenizerOptions(model.Text.Config.MaxPositions)));
    }

    /// <summary>A model with random weights from a configuration of transformers' form.</summary>
    public static ClipModel Create(JsonElement config)
    {
        var vision = config.GetProperty("vision_config");
        var projection = config.GetProperty("projection_dim").GetInt32();
        return new ClipModel(
            ClipTextConfig.FromJson(config.GetProperty("text_config"), projection: true) with { ProjectionDim = projection },
            new ClipVisionConfig
            {
                HiddenSize = vision.GetProperty("hidden_size").GetInt32(), IntermediateSize = vision.GetProperty("intermediate_size").GetInt32(),
                Layers = vision.GetProperty("num_hidden_layers").GetInt32(), Heads = vision.GetProperty("num_attention_heads").GetInt32(),
                ImageSize = vision.GetProperty("image_size").GetInt32(), PatchSize = vision.GetProperty("patch_size").GetInt32(), ProjectionDim = projection,
                QuickGelu = !vision.TryGetProperty("hidden_act", out var act) || act.GetString() == "quick_gelu",
            });
    }

    /// <summary>Texts in the common space, normalised: [B, projection].</summary>
    public Tensor Texts(IReadOnlyList<string> captions)
    {
        using var scope = NewDisposeScope();
        var rows = captions.Select(c => Tokenizer.EncodePadded(c)).ToArray();
        var ids = tensor(rows.SelectMany(r => r).Select(i => (long)i).ToArray()).reshape(rows.Length, Tokenizer.MaxLength);
        return nn.functional.normalize(Model.EmbedTexts(ids), dim: -1).MoveToOuterDisposeScope();
    }

    /// <summary>Pictures in the common space, normalised: [B, 3, S, S] in [-1, 1] to [B, projection]. Those of another side are resized.</summary>
    public Tensor Pictures(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var side = Model.Vision.Config.ImageSize;
        var sized = pictures.shape[3] == side ? pictures
            : nn.functional.interpolate(pictures, size: [side, side], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true);
        return nn.functional.normalize(Model.EmbedPictures(ClipScore.Colours(sized.clamp(-1, 1))), dim: -1).MoveToOuterDisposeScope();
    }

    /// <summary>Share of pictures whose own caption is nearest of 64: its own and 63 others of the same list, the next ones that differ from it.</summary>
    /// <param name="pictures">[n, projection], normalised.</param>
    /// <param name="texts">[n, projection], normalised.</param>
    /// <param name="captions">The n captions.</param>
    public static double CaptionAccuracy(Tensor pictures, Tensor texts, IReadOnlyList<string> captions)
    {
        ArgumentNullException.ThrowIfNull(captions);
        using var scope = NewDisposeScope();
        var cosines = pictures.matmul(texts.t()).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        var count = captions.Count;
        var right = 0;
        for (var i = 0; i < count; i++)
        {
            var own = cosines[(i * count) + i];
            var others = Enumerable.Range(1, count - 1).Select(k => (i + k) % count).Where(j => captions[j] != captions[i]).Take(Choices - 1);
            right += others.All(j => cosines[(i * count) + j] < own) ? 1 : 0;
        }

        return right / (double)count;
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
