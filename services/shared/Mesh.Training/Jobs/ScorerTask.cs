using System.Text.Json.Nodes;
using Mesh.Models.Noise;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using Mesh.Training.Data;
using Mesh.Training.Evaluation;
using Mesh.Training.Optimisation;
using Mesh.Training.Runs;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Jobs;

/// <summary>Pictures with a caption each.</summary>
internal sealed record ScorerBatch(Tensor Pixels, Tensor Ids) : IDisposable
{
    public void Dispose()
    {
        Pixels.Dispose();
        Ids.Dispose();
    }
}

/// <summary>Trains two towers so that of a batch's captions each picture finds its own, and the other way round.</summary>
internal sealed class ScorerTask : ITrainingTask<ScorerBatch>
{
    private const double LargestScale = 100;
    private const int EncodedAtOnce = 64;
    private const int SeenJudged = 256;

    private readonly ScorerPlan _plan;
    private readonly PictureSet _set;
    private readonly DataOrder _order;
    private readonly ClipModel _model;
    private readonly ClipTokenizer _tokenizer;

    public ScorerTask(ScorerPlan plan)
    {
        _plan = plan;
        _model = ClipFolder.Create(plan.Network);
        var random = Draws.Weights(plan.Train.Seed);
        InitialWeights.Of(_model.Text, random);
        InitialWeights.Of(_model.Vision, random);
        _set = PictureSet.Open(plan.Data, _model.Vision.Config.ImageSize);
        _order = new DataOrder(plan.Selection.Of(_set.Entries), plan.Train.Seed);
        _tokenizer = ClipTokenizer.Load(plan.Tokenizer, new ClipTokenizerOptions(_model.Text.Config.MaxPositions));
        Networks = new Dictionary<string, nn.Module> { ["text"] = _model.Text, ["vision"] = _model.Vision, ["scale"] = new Scale(_model.LogitScale) };
    }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => _order.Position;
        set => _order.Position = value;
    }

    public ScorerBatch NextBatch(int count, TorchGenerator random)
    {
        var indices = _order.Next(count);
        var draws = new float[2 * count];
        random.Uniforms(draws);
        return new ScorerBatch(_set.Batch(indices), Rows(indices.Select((index, i) => _plan.Selection.Caption(_set.Entries[index], draws[2 * i], draws[(2 * i) + 1]))));
    }

    public LossParts Loss(ScorerBatch batch)
    {
        using var colours = ClipScore.Colours(batch.Pixels);
        var pictures = F.normalize(_model.EmbedPictures(colours), dim: -1);
        var texts = F.normalize(_model.EmbedTexts(batch.Ids), dim: -1);
        var logits = pictures.matmul(texts.t()) * _model.LogitScale.exp().clamp_max(LargestScale); // [B, B]
        var own = arange(logits.shape[0], ScalarType.Int64);
        var right = logits.argmax(1).eq(own).to(ScalarType.Float32).mean();
        return new LossParts((F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2, new Dictionary<string, Tensor> { ["right"] = right });
    }

    public Look? Sample()
    {
        var measures = new Dictionary<string, double>();
        var trained = _set.Entries.Where(e => _plan.Selection.WeightOf(e) > 0).ToArray();
        var stride = Math.Max(1, trained.Length / SeenJudged);
        measures["caption_accuracy_seen"] = Accuracy([.. trained.Where((_, i) => i % stride == 0).Take(SeenJudged)]);
        var unseen = _set.Entries.Where(e => !e.IsTrained).ToArray();
        if (unseen.Length > 1)
            measures["caption_accuracy_unseen"] = Accuracy(unseen);
        return new Look(null, measures);
    }

    public void Export(string folder)
    {
        Directory.CreateDirectory(folder);
        var config = JsonObject.Create(_plan.Network)!;
        config["architectures"] = new JsonArray("CLIPModel");
        config["model_type"] = "clip";
        ModelWriter.Write(Path.Combine(folder, "config.json"), config);
        using var mode = no_grad();
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), _model.Tensors());
        ModelWriter.Copy(_plan.Tokenizer, folder);
    }

    public void Dispose() => _model.Dispose();

    private double Accuracy(PictureEntry[] entries)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        List<Tensor> pictures = [], texts = [];
        foreach (var part in entries.Chunk(EncodedAtOnce))
        {
            using var colours = ClipScore.Colours(_set.Batch([.. part.Select(e => e.Index)]));
            pictures.Add(F.normalize(_model.EmbedPictures(colours), dim: -1));
            texts.Add(F.normalize(_model.EmbedTexts(Rows(part.Select(e => e.Captions[0]))), dim: -1));
        }

        return ClipFolder.CaptionAccuracy(cat(pictures.ToArray(), 0), cat(texts.ToArray(), 0), [.. entries.Select(e => e.Captions[0])]);
    }

    private Tensor Rows(IEnumerable<string> captions)
    {
        var rows = captions.Select(c => _tokenizer.EncodePadded(c)).ToArray();
        return tensor(rows.SelectMany(r => r).Select(i => (long)i).ToArray()).reshape(rows.Length, _tokenizer.MaxLength);
    }

    /// <summary>The one number beside the towers that is trained.</summary>
    private sealed class Scale : nn.Module
    {
        [ComponentName(Name = "logit_scale")] private readonly Parameter _scale;

        public Scale(Parameter scale)
            : base(nameof(Scale))
        {
            _scale = scale;
            RegisterComponents();
        }
    }
}
