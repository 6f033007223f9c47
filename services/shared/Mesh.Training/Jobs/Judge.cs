using System.Diagnostics;
using Mesh.Models.Noise;
using Mesh.Models.Weights;
using Mesh.Training.Data;
using Mesh.Training.Evaluation;
using Mesh.Training.Flow;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Makes pictures of captions and compares them with the real ones.</summary>
internal sealed class Judge : IDisposable
{
    private const int Neighbours = 3;
    private const int DiverseCaptions = 16;
    private const int WarmUps = 3;
    private const int MarkDigits = 12;

    private readonly EvaluatePlan _plan;
    private readonly PictureSet _set;
    private readonly FlowModel _model;
    private readonly ClipFolder _scorer;
    private readonly Inception? _inception;

    public Judge(EvaluatePlan plan)
    {
        _plan = plan;
        _set = PictureSet.Open(plan.Data, plan.Side);
        _model = new FlowModel(plan.Model);
        _scorer = ClipFolder.Open(plan.Scorer);
        if (plan.Inception is null)
            return;
        _inception = new Inception();
        using var weights = SafetensorsFile.Open(plan.Inception);
        _inception.Load(weights);
    }

    /// <summary>What the Fréchet distance, precision and recall are measured in.</summary>
    public string FeaturesNote => _inception is not null
        ? "Inception-v3 pool features, 2048"
        : $"picture embeddings of the scorer with weights {ScorerMark()}, {_scorer.Model.Vision.Config.ProjectionDim}, normalised: comparable only with others of the same scorer";

    /// <summary>All measures and a grid of one group; null where there is nothing in it.</summary>
    public Look? Look(bool seen, CancellationToken cancel)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var entries = Chosen(seen);
        if (entries.Length <= Neighbours)
            return null;
        var captions = entries.Select(e => e.Captions[0]).ToArray();

        // 1. Pictures, one a caption, and the real ones.
        List<Tensor> made = [], real = [], errors = [], straightness = [], cost = [];
        for (var at = 0; at < entries.Length; at += _plan.Batch)
        {
            cancel.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            var part = entries[at..Math.Min(at + _plan.Batch, entries.Length)];
            var noise = Noise(part.Select((_, i) => (long)(at + i)));
            var text = _model.Encode(_model.Rows(part.Select(e => e.Captions[0])));
            using var run = _model.Run(noise, text, _plan.Steps);
            using var path = _model.Run(noise, text, _plan.PathSteps);
            var pixels = _set.Batch([.. part.Select(e => e.Index)]);
            using var latent = _model.Vae.Encode(pixels);
            errors.Add(Distances.Squared(run.End - _model.Vae.Scale(latent.Mean)).MoveToOuterDisposeScope());
            made.Add(_model.Decode(run.End).clamp(-1, 1).MoveToOuterDisposeScope());
            real.Add(pixels.MoveToOuterDisposeScope());
            straightness.Add(path.Straightness.clone().MoveToOuterDisposeScope());
            cost.Add(path.TransportCost.clone().MoveToOuterDisposeScope());
        }

        // 2. What the scorer says of both.
        var (fake, true_) = (cat(made.ToArray(), 0), cat(real.ToArray(), 0));
        var texts = _scorer.Texts(captions);
        var (ofFake, ofReal) = (Embedded(fake), Embedded(true_));
        var (a, b) = _inception is null ? (ofReal, ofFake) : (Seen(true_), Seen(fake));
        var overlap = Evaluation.Distributions.Overlap(a, b, Neighbours);
        var measures = new Dictionary<string, double>
        {
            ["pictures"] = entries.Length, ["frechet"] = Evaluation.Distributions.Frechet(a, b),
            ["caption_accuracy"] = ClipFolder.CaptionAccuracy(ofFake, texts, captions), ["caption_accuracy_of_real"] = ClipFolder.CaptionAccuracy(ofReal, texts, captions),
            ["clip_score"] = ClipScore.Of(ofFake, texts), ["clip_score_of_real"] = ClipScore.Of(ofReal, texts),
            ["precision"] = overlap.Precision, ["recall"] = overlap.Recall, ["diversity"] = Diversity(captions),
            ["latent_error"] = cat(errors.ToArray(), 0).mean().item<float>(), ["straightness"] = cat(straightness.ToArray(), 0).mean().item<float>(),
            ["transport_cost"] = cat(cost.ToArray(), 0).mean().item<float>(),
        };
        return new Look(PictureGrid.Png(fake.narrow(0, 0, Math.Min(64, fake.shape[0])), _plan.Columns), measures);
    }

    /// <summary>The median time of text, steps and decoding for one picture, in seconds.</summary>
    public double Latency()
    {
        using var mode = inference_mode();
        var times = new List<double>();
        for (var i = -WarmUps; i < _plan.LatencyRuns; i++)
        {
            using var scope = NewDisposeScope();
            var clock = Stopwatch.GetTimestamp();
            using var run = _model.Run(Noise([i + WarmUps]), _model.Encode(_model.Rows([_set.Entries[0].Captions[0]])), _plan.Steps);
            _ = _model.Decode(run.End).sum().item<float>();
            if (i >= 0)
                times.Add(Stopwatch.GetElapsedTime(clock).TotalSeconds);
        }

        return times.Order().ElementAt(times.Count / 2);
    }

    public void Dispose()
    {
        _model.Dispose();
        _scorer.Dispose();
        _inception?.Dispose();
    }

    /// <summary>Pictures that are trained on with a weight of at least 1, or those kept back of the same styles; every so many, up to the wanted number.</summary>
    private PictureEntry[] Chosen(bool seen)
    {
        var trained = _set.Entries.Where(e => _plan.Selection.WeightOf(e) >= 1).ToArray();
        var styles = trained.Select(Style).ToHashSet(StringComparer.Ordinal);
        var all = seen ? trained : [.. _set.Entries.Where(e => !e.IsTrained && styles.Contains(Style(e)))];
        var stride = Math.Max(1, all.Length / _plan.Count);
        return [.. all.Where((_, i) => i % stride == 0).Take(_plan.Count)];
    }

    private static string Style(PictureEntry entry) => entry.Fields.GetValueOrDefault("style", "");

    private Tensor Noise(IEnumerable<long> numbers) =>
        cat(numbers.Select(n => Draws.Normals(new TorchGenerator(_plan.Seed + n), [1, .. _model.Shape])).ToArray(), 0);

    // Its folder is called as every job's product is, so that only the weights tell one scorer from another.
    private string ScorerMark() => string.Join('+', ModelComponent.Open(_plan.Scorer).FindWeights().Paths().Select(p => FileHash.Sha256(p)[..MarkDigits]));

    private Tensor Embedded(Tensor pictures) => InParts(pictures, _scorer.Pictures);

    private Tensor Seen(Tensor pictures) => InParts(pictures, part =>
        _inception!.Features(cat(Enumerable.Range(0, (int)part.shape[0]).Select(i => Inception.Input(PictureGrid.Picture(part, i))).ToArray(), 0)));

    private Tensor InParts(Tensor pictures, Func<Tensor, Tensor> embed)
    {
        var parts = new List<Tensor>();
        for (long at = 0; at < pictures.shape[0]; at += _plan.Batch)
            parts.Add(embed(pictures.narrow(0, at, Math.Min(_plan.Batch, pictures.shape[0] - at))));
        return cat(parts.ToArray(), 0);
    }

    /// <summary>The mean of 1 − cosine over all pairs of pictures of one caption with different seeds.</summary>
    private double Diversity(string[] captions)
    {
        using var scope = NewDisposeScope();
        var sum = 0.0;
        var chosen = captions.Take(DiverseCaptions).ToArray();
        foreach (var caption in chosen)
        {
            using var inner = NewDisposeScope();
            var text = _model.Encode(_model.Rows(Enumerable.Repeat(caption, _plan.Seeds)));
            using var run = _model.Run(Noise(Enumerable.Range(0, _plan.Seeds).Select(i => (long)i)), text, _plan.Steps);
            var features = _scorer.Pictures(_model.Decode(run.End));
            var total = features.matmul(features.t()).sum().item<float>() - _plan.Seeds;
            sum += 1 - (total / (_plan.Seeds * (_plan.Seeds - 1)));
        }

        return sum / chosen.Length;
    }
}
