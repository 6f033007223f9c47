using System.Text.Json.Nodes;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Text;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Optimisation;
using Mesh.Training.Runs;
using Mesh.Training.Perception;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Paths to be trained on.</summary>
internal sealed record FlowBatch(Tensor Noise, Tensor Latent, Tensor Ids, Tensor Tau, AugmentationDraws? Draws) : IDisposable
{
    public void Dispose()
    {
        Noise.Dispose();
        Latent.Dispose();
        Ids.Dispose();
        Tau.Dispose();
    }
}

/// <summary>Trains a U-Net, and the text encoder with it, on straight paths from noise to latents.</summary>
internal sealed class FlowTask : ITrainingTask<FlowBatch>
{
    private const int Judged = 96;
    private const int Columns = 8;
    private const int ShownEach = 24;
    private const long LookSeed = 4711;

    private readonly FlowPlan _plan;
    private readonly AutoencoderKL _vae;
    private readonly ClipTextEncoder _text;
    private readonly UNet _unet;
    private readonly ILatentSource _source;
    private readonly DataOrder _order;
    private readonly FlowObjective _objective;

    public FlowTask(FlowPlan plan, LatentCache? cache)
    {
        _plan = plan;
        _vae = JobInputs.Load(plan.Vae, json => new AutoencoderKL(AutoencoderKLConfig.FromJson(json)));
        _vae.Freeze();
        _text = plan.Start is null ? new ClipTextEncoder(plan.Text!)
            : JobInputs.Load(Path.Combine(plan.Start, "text_encoder"), json => new ClipTextEncoder(ClipTextConfig.FromJson(json, projection: false)));
        _unet = plan.Start is null ? new UNet(plan.UNet!) : JobInputs.Load(Path.Combine(plan.Start, "unet"), json => new UNet(UNetConfig.FromJson(json)));
        if (plan.Start is null)
        {
            var random = Draws.Weights(plan.Train.Seed);
            InitialWeights.Of(_text, random);
            InitialWeights.Of(_unet, random);
        }

        if (!plan.TrainText)
            _text.Freeze();
        var tokenizer = ClipTokenizer.Load(plan.Tokenizer, new ClipTokenizerOptions(_text.Config.MaxPositions));
        _source = plan.Pairs is { } pairs ? new PairLatents(pairs)
            : PictureLatents.Open(PictureSet.Open(plan.Data!, plan.Side), plan.Selection, tokenizer, _vae, plan.Vae, cache);
        _order = new DataOrder(_source.Items, plan.Train.Seed);
        _objective = new FlowObjective(plan.Loss, _vae);
        Networks = new Dictionary<string, nn.Module> { ["text_encoder"] = _text, ["unet"] = _unet };
    }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => _order.Position;
        set => _order.Position = value;
    }

    public FlowBatch NextBatch(int count, TorchGenerator random)
    {
        var indices = _order.Next(count);
        var ids = _source.Ids(indices, random);
        var (latent, known) = _source.Get(indices);
        var noise = known ?? Draws.Normals(random, [count, .. _source.Shape]);
        return new FlowBatch(noise, latent, ids, _plan.Times.Draw(random, count), _objective.Draw(count, random));
    }

    public LossParts Loss(FlowBatch batch)
    {
        using var said = _text.Encode(batch.Ids);
        using var state = FlowPath.At(batch.Noise, batch.Latent, batch.Tau);
        using var time = FlowPath.UNetTime(batch.Tau);
        var velocity = _unet.call(state, time, said.LastHiddenState, null); // [B, C, H, W]
        var each = _objective.Of(batch.Noise, batch.Latent, velocity, batch.Draws); // [B]
        var squared = Distances.Squared((batch.Latent - batch.Noise - velocity).detach());
        var atNoise = batch.Tau.eq(0).to(ScalarType.Float32);
        var parts = new Dictionary<string, Tensor> { ["squared"] = squared.mean() };
        if (_plan.Times is { Law: TimeLaw.Noise } or { NoiseShare: > 0 })
            parts["squared_at_noise"] = (squared * atNoise).sum() / atNoise.sum().clamp_min(1);
        return new LossParts(each.mean(), parts);
    }

    public Look? Sample()
    {
        if (_source is not PictureLatents pictures)
            return null;
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var trained = pictures.Items.Where(i => i.Weight > 0).Select(i => i.Index).ToHashSet();
        var styles = trained.Select(i => pictures.Set.Entries[i].Fields.GetValueOrDefault("style", "")).ToHashSet(StringComparer.Ordinal);
        var unseen = pictures.Set.Entries.Where(e => !e.IsTrained && styles.Contains(e.Fields.GetValueOrDefault("style", ""))).Select(e => e.Index).Take(Judged).ToArray();
        // Every so many of the trained ones, so that they are not all of one kind.
        var stride = Math.Max(1, trained.Count / Judged);
        var seen = trained.Order().Where((_, i) => i % stride == 0).Take(Judged).ToArray();
        var measures = new Dictionary<string, double> { ["one_step_seen"] = OneStepError(pictures, seen) };
        if (unseen.Length > 0)
            measures["one_step_unseen"] = OneStepError(pictures, unseen);
        string[] prompts = _plan.Samples.Length > 0 ? _plan.Samples
            : [.. seen.Take(ShownEach).Concat(unseen.Take(ShownEach)).Select(i => pictures.Set.Entries[i].Captions[0])];
        return new Look(PictureGrid.Png(Pictures(pictures, prompts), Columns), measures);
    }

    public void Export(string folder)
    {
        ModelWriter.FlowIndex(folder);
        var text = new JsonObject { ["architectures"] = new JsonArray("CLIPTextModel") };
        ModelWriter.Network(Path.Combine(folder, "text_encoder"), _text, Config("text_encoder", _plan.TextJson), text, _plan.Half);
        ModelWriter.Network(Path.Combine(folder, "unet"), _unet, Config("unet", _plan.UNetJson), new JsonObject { ["_class_name"] = "UNet2DConditionModel" }, _plan.Half);
        var vae = Mesh.Models.Weights.ModelComponent.Open(_plan.Vae).RequireConfig();
        ModelWriter.Network(Path.Combine(folder, "vae"), _vae, vae, new JsonObject { ["_class_name"] = "AutoencoderKL" }, _plan.Half);
        ModelWriter.Copy(_plan.Tokenizer, Path.Combine(folder, "tokenizer"));
    }

    public void Dispose()
    {
        _objective.Dispose();
        _source.Dispose();
        _vae.Dispose();
        _text.Dispose();
        _unet.Dispose();
    }

    private System.Text.Json.JsonElement Config(string part, System.Text.Json.JsonElement own) =>
        _plan.Start is { } start ? Mesh.Models.Weights.ModelComponent.Open(Path.Combine(start, part)).RequireConfig() : own;

    private double OneStepError(PictureLatents pictures, int[] indices)
    {
        using var scope = NewDisposeScope();
        var (latent, _) = pictures.Get(indices);
        var noise = Draws.Normals(new TorchGenerator(LookSeed), latent.shape);
        var ids = pictures.Rows(indices.Select(i => pictures.Set.Entries[i].Captions[0]));
        return Distances.Squared(Velocity(noise, full(noise.shape[0], (float)FlowPath.UNetSpan), ids) + noise - latent).mean().item<float>();
    }

    private Tensor Pictures(PictureLatents pictures, string[] prompts)
    {
        using var scope = NewDisposeScope();
        var ids = pictures.Rows(prompts);
        var noise = Draws.Normals(new TorchGenerator(LookSeed), [prompts.Length, .. _source.Shape]);
        using var run = EulerPath.Run(noise, _plan.SampleSteps, (z, t) => Velocity(z, t, ids));
        return _vae.Decode(_vae.Unscale(run.End)).MoveToOuterDisposeScope();
    }

    private Tensor Velocity(Tensor state, Tensor time, Tensor ids)
    {
        using var said = _text.Encode(ids);
        return _unet.call(state, time, said.LastHiddenState, null);
    }
}
