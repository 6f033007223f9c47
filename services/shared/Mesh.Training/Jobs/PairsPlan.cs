using System.Diagnostics;
using System.Globalization;
using Mesh.Models.Noise;
using Mesh.Models.Samplers;
using Mesh.Models.Weights;
using Mesh.Training.Configuration;
using Mesh.Training.Data;
using Mesh.Training.Runs;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>
/// <c>pairs</c>: what a teacher's ODE makes of noise, under captions of a data set. Pictures are numbered, and everything random about one follows from
/// the seed and its number, so that shards can be made anywhere and files that are there already need not be made again.
/// </summary>
internal sealed class PairsPlan : IJobPlan
{
    public const string KindName = "pairs";

    private readonly JobFields _fields;
    private readonly string _teacher;
    private readonly string _data;
    private readonly DataSelection _selection;
    private readonly int _count;
    private readonly int _perFile;
    private readonly int _batch;
    private readonly int _shard;
    private readonly int _shards;
    private readonly int _steps;
    private readonly double _guidance;
    private readonly SchedulerConfig _sampler;
    private readonly long _seed;

    private PairsPlan(JobFields fields, string root)
    {
        _fields = fields;
        _teacher = fields.Folder("teacher", root);
        _data = fields.Folder("data", root);
        _selection = DataSelection.Read(fields.Mapping("select"));
        _count = fields.Amount("count", null, 1);
        _perFile = fields.Amount("per_file", 1024, 1);
        _batch = fields.Amount("batch", 64, 1);
        _shards = fields.Amount("shards", 1, 1, 4096);
        _shard = fields.Amount("shard", 0, 0, Math.Max(0, _shards - 1));
        _steps = fields.Amount("steps", 25, 1, 1000);
        _guidance = fields.Number("guidance", 1, 0, 100);
        var sampler = fields.Choice<SamplerKind>("sampler", SamplerKind.RectifiedFlow);
        var prediction = fields.Choice<Prediction>("prediction", Prediction.Epsilon);
        _sampler = new SchedulerConfig { Kind = sampler, BetaStart = 0.00085, BetaEnd = 0.012, ScaledBetas = true, Prediction = prediction };
        if (sampler is SamplerKind.EulerAncestral or SamplerKind.Lcm or SamplerKind.Tcd)
            fields.Fault("sampler", "adds fresh noise, so that a pair's picture does not follow from its noise");
        _seed = fields.Whole("seed", 0, 0, uint.MaxValue);
    }

    public string Kind => KindName;

    public string Resolved => _fields.Resolved();

    public static IJobPlan Read(JobFields fields, string root) => new PairsPlan(fields, root);

    public void Run(JobContext context)
    {
        context.Folder.SaveConfig(Resolved);
        using var teacher = new FlowModel(_teacher);
        var set = PictureSet.Open(_data);
        var order = new DataOrder(_selection.Of(set.Entries), _seed);
        var clock = Stopwatch.StartNew();
        var files = Enumerable.Range(0, (_count + _perFile - 1) / _perFile).Where(f => f % _shards == _shard).ToArray();
        var chosen = order.Next(_count);
        Directory.CreateDirectory(context.Folder.Result);
        long made = 0;
        foreach (var file in files)
        {
            var path = Path.Combine(context.Folder.Result, string.Create(CultureInfo.InvariantCulture, $"pairs-{file:D6}.safetensors"));
            var numbers = Enumerable.Range(file * _perFile, Math.Min(_perFile, _count - (file * _perFile))).ToArray();
            if (!(context.Resume && File.Exists(path)))
                made += Make(context, teacher, set, path, numbers, chosen);
            var seconds = clock.Elapsed.TotalSeconds;
            var done = Array.IndexOf(files, file) + 1;
            context.Tell(new TickPassed(
                done, files.Length, made, new Dictionary<string, double>(), 0, 0, made / seconds, seconds / done * (files.Length - done), seconds,
                new StepTimes(0, seconds, 0, 0, 0)));
        }

        context.Tell(new RunFinished(context.Folder.Result, clock.Elapsed.TotalSeconds));
    }

    public IReadOnlyList<string> Rehearse()
    {
        using var teacher = new FlowModel(_teacher);
        var clock = Stopwatch.StartNew();
        using var scope = NewDisposeScope();
        Solve(teacher, Noise(teacher, [0]), teacher.Rows([""]));
        return [string.Create(CultureInfo.InvariantCulture, $"{_count:N0} pairs of {_steps} steps; one alone takes {clock.Elapsed.TotalSeconds:G3} s")];
    }

    private int Make(JobContext context, FlowModel teacher, PictureSet set, string path, int[] numbers, int[] chosen)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        List<Tensor> noises = [], latents = [], ids = [];
        foreach (var part in numbers.Chunk(_batch))
        {
            context.Cancel.ThrowIfCancellationRequested();
            var captions = part.Select(n =>
            {
                var draws = new float[2];
                new TorchGenerator(SeedOf(n) ^ 0x5851F42D).Uniforms(draws);
                return _selection.Caption(set.Entries[chosen[n]], draws[0], draws[1]);
            }).ToArray();
            noises.Add(Noise(teacher, part));
            ids.Add(teacher.Rows(captions));
            latents.Add(Solve(teacher, noises[^1], ids[^1]));
        }

        context.Folder.Check();
        SafetensorsWriter.Write(
            path, new Dictionary<string, Tensor> { ["noise"] = cat(noises.ToArray(), 0), ["latent"] = cat(latents.ToArray(), 0), ["ids"] = cat(ids.ToArray(), 0) });
        return numbers.Length;
    }

    private long SeedOf(int number) => unchecked((_seed * 0x9E3779B1) + (number * 0x85EBCA6BL)) & uint.MaxValue;

    private Tensor Noise(FlowModel teacher, int[] numbers) => cat(numbers.Select(n => Draws.Normals(new TorchGenerator(SeedOf(n)), [1, .. teacher.Shape])).ToArray(), 0);

    private Tensor Solve(FlowModel teacher, Tensor noise, Tensor ids)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        using var run = new SamplerRun(SamplerPlan.Create(_sampler, _steps), noise);
        var text = teacher.Encode(ids);
        var nothing = _guidance > 1 ? teacher.Encode(teacher.Rows(Enumerable.Repeat("", (int)noise.shape[0]))) : null;
        while (!run.Done)
        {
            using var step = NewDisposeScope();
            var input = run.Input();
            var time = full(noise.shape[0], (float)run.Step.Timestep);
            var output = teacher.Call(input, time, text);
            if (nothing is not null)
            {
                var free = teacher.Call(input, time, nothing);
                output = free + ((output - free) * _guidance);
            }

            run.Advance(output);
        }

        return run.State.clone().MoveToOuterDisposeScope();
    }
}
