using System.Text.Json.Nodes;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Models.Weights;
using Mesh.Training.Data;
using Mesh.Training.Flow;
using Mesh.Training.Perception;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>Points of paths, with the round that they are learnt in.</summary>
internal sealed record ProgressiveBatch(Tensor Noise, Tensor Latent, Tensor Ids, Tensor Tau, ProgressiveRound Round) : IDisposable
{
    public void Dispose()
    {
        Noise.Dispose();
        Latent.Dispose();
        Ids.Dispose();
        Tau.Dispose();
    }
}

/// <summary>Trains a student on its teacher's steps, two in one, and makes it the teacher when a round is over.</summary>
internal sealed class ProgressiveTask : ITrainingTask<ProgressiveBatch>
{
    private const int Judged = 32;
    private const int Columns = 8;
    private const long LookSeed = 4711;

    private readonly ProgressivePlan _plan;
    private readonly FlowModel _origin;
    private readonly UNet _student;
    private readonly UNet _teacher;
    private readonly ILatentSource _source;
    private readonly DataOrder _order;
    private Tensor? _goal;
    private long _seen;

    public ProgressiveTask(ProgressivePlan plan, LatentCache? cache)
    {
        _plan = plan;
        _origin = new FlowModel(plan.Teacher);
        var folder = Path.Combine(plan.Teacher, "unet");
        _student = JobInputs.Load(folder, json => new UNet(UNetConfig.FromJson(json)));
        _teacher = JobInputs.Load(folder, json => new UNet(UNetConfig.FromJson(json)));
        _teacher.Freeze();
        _source = plan.Pairs is { } pairs ? new PairLatents(pairs)
            : PictureLatents.Open(PictureSet.Open(plan.Data!, plan.Side), plan.Selection, _origin.Tokenizer, _origin.Vae, Path.Combine(plan.Teacher, "vae"), cache);
        _order = new DataOrder(_source.Items, plan.Train.Seed);
        // The teacher is another in each round, so a checkpoint must hold it.
        Networks = new Dictionary<string, nn.Module> { ["unet"] = _student, ["teacher"] = _teacher };
    }

    public IReadOnlyDictionary<string, nn.Module> Networks { get; }

    public long[] Position
    {
        get => [.. _order.Position, _seen];
        set
        {
            _order.Position = value[..^1];
            _seen = value[^1];
        }
    }

    public ProgressiveBatch NextBatch(int count, TorchGenerator random)
    {
        var round = _plan.RoundAt(_seen);
        if (_seen > 0 && round != _plan.RoundAt(_seen - count))
            Promote();
        _seen += count;
        var indices = _order.Next(count);
        var ids = _source.Ids(indices, random);
        var (latent, known) = _source.Get(indices);
        var noise = known ?? Draws.Normals(random, [count, .. _source.Shape]);
        var steps = _plan.Rounds[round].Steps;
        return new ProgressiveBatch(noise, latent, ids, new FlowTimes(TimeLaw.Steps, Steps: steps).Draw(random, count), _plan.Rounds[round]);
    }

    public LossParts Loss(ProgressiveBatch batch)
    {
        using var state = FlowPath.At(batch.Noise, batch.Latent, batch.Tau);
        using var time = FlowPath.UNetTime(batch.Tau);
        using var text = _origin.Encode(batch.Ids);
        using var target = Target(batch, state, text);
        var velocity = _student.call(state, time, text, null); // [B, C, H, W]
        var loss = Distances.Squared(target - velocity).mean();
        return new LossParts(loss, new Dictionary<string, Tensor> { ["steps"] = tensor((float)batch.Round.Steps) });
    }

    public Look? Sample()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var all = _source.Items.Select(i => i.Index).ToArray();
        var stride = Math.Max(1, all.Length / Judged);
        var shown = all.Where((_, i) => i % stride == 0).Take(Judged).ToArray();
        var ids = _source.Ids(shown, new TorchGenerator(LookSeed));
        var noise = Draws.Normals(new TorchGenerator(LookSeed), [shown.Length, .. _source.Shape]);
        var text = _origin.Encode(ids);
        _goal ??= Goal(noise, text, ids).DetachFromDisposeScope();
        var steps = _plan.Rounds[_plan.RoundAt(Math.Max(0, _seen - 1))].Steps;
        using var run = EulerPath.Run(noise, steps, (z, t) => _student.call(z, t, text, null));
        var measures = new Dictionary<string, double> { ["steps"] = steps, ["off_teacher"] = Distances.Squared(run.End - _goal).mean().item<float>() };
        return new Look(PictureGrid.Png(_origin.Decode(run.End), Columns), measures);
    }

    public void Export(string folder)
    {
        ModelWriter.FlowIndex(folder);
        var config = ModelComponent.Open(Path.Combine(_plan.Teacher, "unet")).RequireConfig();
        ModelWriter.Network(Path.Combine(folder, "unet"), _student, config, new JsonObject { ["_class_name"] = "UNet2DConditionModel" }, _plan.Half);
        foreach (var part in new[] { "text_encoder", "vae", "tokenizer" })
            ModelWriter.Copy(Path.Combine(_plan.Teacher, part), Path.Combine(folder, part));
    }

    public void Dispose()
    {
        _goal?.Dispose();
        _source.Dispose();
        _student.Dispose();
        _teacher.Dispose();
        _origin.Dispose();
    }

    private void Promote()
    {
        using var mode = no_grad();
        var learnt = _student.state_dict();
        foreach (var (name, value) in _teacher.state_dict())
            value.copy_(learnt[name]);
    }

    private Tensor Target(ProgressiveBatch batch, Tensor state, Tensor text)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        Tensor Field(Tensor z, Tensor tau) => _teacher.call(z, FlowPath.UNetTime(tau), text, null);
        if (batch.Round.Guidance is not { } guidance)
            return ProgressiveTarget.Flow(state, batch.Tau, batch.Round.Steps, Field).MoveToOuterDisposeScope();
        var nothing = Nothing(batch.Ids.shape[0]);
        return Guided(Field(state, batch.Tau), _teacher.call(state, FlowPath.UNetTime(batch.Tau), nothing, null), guidance).MoveToOuterDisposeScope();
    }

    /// <summary>Where the first teacher's own steps end.</summary>
    private Tensor Goal(Tensor noise, Tensor text, Tensor ids)
    {
        using var scope = NewDisposeScope();
        var nothing = _plan.Guidance > 1 ? Nothing(ids.shape[0]) : null;
        using var run = EulerPath.Run(noise, _plan.TeacherSteps, (z, t) =>
            nothing is null ? _origin.Call(z, t, text) : Guided(_origin.Call(z, t, text), _origin.Call(z, t, nothing), _plan.Guidance));
        return run.End.alias().MoveToOuterDisposeScope();
    }

    private Tensor Nothing(long count)
    {
        using var ids = _origin.Rows(Enumerable.Repeat("", (int)count));
        return _origin.Encode(ids);
    }

    private static Tensor Guided(Tensor said, Tensor free, double guidance) => free + ((said - free) * guidance);
}
