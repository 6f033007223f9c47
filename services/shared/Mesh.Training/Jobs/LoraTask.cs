using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Samplers;
using Mesh.Models.Text;
using Mesh.Training.Adapters;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Perception;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Latents with noise, the ids of their texts and a time each.</summary>
internal sealed record LoraBatch(Tensor Noise, Tensor Latent, Tensor Ids, Tensor Time) : IDisposable
{
    public void Dispose()
    {
        Noise.Dispose();
        Latent.Dispose();
        Ids.Dispose();
        Time.Dispose();
    }
}

/// <summary>Trains low-rank updates beside the layers of a model that itself stays as it is.</summary>
internal sealed class LoraTask : ITrainingTask<LoraBatch>
{
    private const int Judged = 32;
    private const int Shown = 8;
    private const int Columns = 8;
    private const long LookSeed = 4711;

    private readonly LoraPlan _plan;
    private readonly AutoencoderKL _vae;
    private readonly ClipTextEncoder _text;
    private readonly UNet _unet;
    private readonly PictureLatents _source;
    private readonly DataOrder _order;
    private readonly DenoisingObjective _objective;
    private readonly Dictionary<string, LoraAdapters> _adapters = new(StringComparer.Ordinal);

    public LoraTask(LoraPlan plan)
    {
        _plan = plan;
        var folder = plan.Model!.Folder;
        _vae = JobInputs.Load(Path.Combine(folder, "vae"), json => new AutoencoderKL(AutoencoderKLConfig.FromJson(json)));
        _text = JobInputs.Load(Path.Combine(folder, "text_encoder"), json => new ClipTextEncoder(ClipTextConfig.FromJson(json, projection: false)));
        _unet = JobInputs.Load(Path.Combine(folder, "unet"), json => new UNet(UNetConfig.FromJson(json)));
        _vae.Freeze();
        _text.Freeze();
        _unet.Freeze();
        var tokenizer = ClipTokenizer.Load(Path.Combine(folder, "tokenizer"), new ClipTokenizerOptions(_text.Config.MaxPositions));
        _source = new PictureLatents(PictureSet.Open(plan.Data, plan.Side), plan.Selection, tokenizer, _vae);
        _order = new DataOrder(_source.Items, plan.Train.Seed);
        _objective = plan.Times is { } times ? new DenoisingObjective(times) : new DenoisingObjective(plan.Model.Schedule, plan.MostRatio);
        var random = new TorchGenerator(plan.Train.Seed);
        if (plan.Text is { } text)
            _adapters["text_encoder"] = new LoraAdapters(_text, text, random);
        if (plan.UNet is { } unet)
            _adapters["unet"] = new LoraAdapters(_unet, unet, random);
        Networks = _adapters.ToDictionary(a => a.Key, a => (nn.Module)a.Value, StringComparer.Ordinal);
    }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => _order.Position;
        set => _order.Position = value;
    }

    public LoraBatch NextBatch(int count, TorchGenerator random)
    {
        var indices = _order.Next(count);
        var ids = _source.Ids(indices, random);
        var (latent, _) = _source.Get(indices);
        return new LoraBatch(Draws.Normals(random, [count, .. _source.Shape]), latent, ids, _objective.Draw(random, count));
    }

    public LossParts Loss(LoraBatch batch) => new(Losses(batch).mean());

    public Look? Sample()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var entries = _source.Set.Entries;
        var seen = _source.Items.Where(i => i.Weight > 0).Select(i => i.Index).Take(Judged).ToArray();
        var unseen = entries.Where(e => !e.IsTrained).Select(e => e.Index).Take(Judged).ToArray();
        var measures = new Dictionary<string, double> { ["loss_seen"] = MeanLoss(seen) };
        if (unseen.Length > 0)
            measures["loss_unseen"] = MeanLoss(unseen);
        string[] prompts = _plan.Samples.Length > 0 ? _plan.Samples : [.. seen.Take(Shown).Select(i => entries[i].Captions[0])];
        return new Look(PictureGrid.Png(Pictures(prompts), Columns), measures);
    }

    public void Export(string folder)
    {
        Directory.CreateDirectory(folder);
        LoraWriter.WriteKohya(Path.Combine(folder, LoraWriter.KohyaFile), _adapters, _plan.Half);
        LoraWriter.WritePeft(Path.Combine(folder, LoraWriter.PeftFile), _adapters, _plan.Half);
    }

    public void Dispose()
    {
        foreach (var adapters in _adapters.Values)
        {
            adapters.Detach();
            adapters.Dispose();
        }

        _source.Dispose();
        _vae.Dispose();
        _text.Dispose();
        _unet.Dispose();
    }

    private Tensor Losses(LoraBatch batch)
    {
        using var said = _text.Encode(batch.Ids);
        var asked = _objective.Of(batch.Noise, batch.Latent, batch.Time);
        return DenoisingObjective.Loss(asked, _unet.call(asked.State, asked.Time, said.LastHiddenState, null));
    }

    // The same noise and times at every look, so that looks can be compared.
    private double MeanLoss(int[] indices)
    {
        using var scope = NewDisposeScope();
        var random = new TorchGenerator(LookSeed);
        var (latent, _) = _source.Get(indices);
        var ids = _source.Rows(indices.Select(i => _source.Set.Entries[i].Captions[0]));
        using var batch = new LoraBatch(Draws.Normals(random, latent.shape), latent, ids, _objective.Draw(random, indices.Length));
        return Losses(batch).mean().item<float>();
    }

    private Tensor Pictures(string[] prompts)
    {
        using var scope = NewDisposeScope();
        var sampler = _plan.Times is null ? _plan.Model!.Schedule : new SchedulerConfig { Kind = SamplerKind.RectifiedFlow };
        var noise = Draws.Normals(new TorchGenerator(LookSeed), [prompts.Length, .. _source.Shape]);
        using var run = new SamplerRun(SamplerPlan.Create(sampler, _plan.SampleSteps), noise);
        using var text = _text.Encode(_source.Rows(prompts));
        using var nothing = _plan.SampleGuidance > 1 ? _text.Encode(_source.Rows(prompts.Select(_ => ""))) : null;
        while (!run.Done)
        {
            using var step = NewDisposeScope();
            var (input, time) = (run.Input(), full(prompts.Length, (float)run.Step.Timestep));
            var output = _unet.call(input, time, text.LastHiddenState, null);
            if (nothing is not null)
            {
                var free = _unet.call(input, time, nothing.LastHiddenState, null);
                output = free + ((output - free) * _plan.SampleGuidance);
            }

            run.Advance(output);
        }

        return _vae.Decode(_vae.Unscale(run.State)).MoveToOuterDisposeScope();
    }
}
