using System.Diagnostics;
using Mesh.Models.Noise;
using Mesh.Models.Weights;
using Mesh.Training.Optimisation;
using static TorchSharp.torch;

namespace Mesh.Training.Runs;

/// <summary>What a rehearsal found.</summary>
/// <param name="Parameters">Numbers that would be trained.</param>
/// <param name="Steps">Steps that would be made.</param>
/// <param name="Loss">The first batch's loss.</param>
/// <param name="GradientNorm">The norm of its gradients.</param>
/// <param name="Times">Where that step's time went.</param>
public sealed record Rehearsal(long Parameters, long Steps, double Loss, double GradientNorm, StepTimes Times);

/// <summary>
/// The loop that every kind of training shares. A run that is stopped and resumed ends with the same bits as one that was not: a checkpoint holds
/// weights, averages, moments, counters, the generator's state and the place in the data.
/// </summary>
/// <typeparam name="TBatch">The task's batches.</typeparam>
public sealed class Trainer<TBatch> : IDisposable
    where TBatch : IDisposable
{
    private const int MostBadSteps = 10;

    private readonly ITrainingTask<TBatch> _task;
    private readonly TrainConfig _config;
    private readonly Optimiser _optimiser;
    private readonly Ema _average;
    private readonly TorchGenerator _random;
    private readonly Action<TrainingEvent> _tell;
    private readonly (string Name, Tensor Value)[] _weights;
    private readonly TickMeter _tick = new();
    private long _step;
    private double _seconds;

    /// <summary>Makes a run ready; nothing is written yet.</summary>
    /// <param name="task">What is trained.</param>
    /// <param name="config">How.</param>
    /// <param name="tell">Told of every event, on the run's own thread.</param>
    public Trainer(ITrainingTask<TBatch> task, TrainConfig config, Action<TrainingEvent>? tell = null)
    {
        (_task, _config, _tell) = (task, config, tell ?? (_ => { }));
        var parameters = task.Networks.SelectMany(n => n.Value.named_parameters().Where(p => p.Item2.requires_grad).Select(p => ($"{n.Key}.{p.Item1}", p.Item2))).ToArray();
        _weights = [.. task.Networks.SelectMany(n => n.Value.state_dict().Select(t => ($"{n.Key}.{t.Key}", t.Value)))];
        _optimiser = new Optimiser(parameters, config.Optimiser);
        _average = new Ema(_weights.Select(w => new KeyValuePair<string, Tensor>(w.Name, w.Value)), config.Average);
        _random = new TorchGenerator(config.Seed);
    }

    private long Parameters => _optimiser.Parameters.Sum(p => p.numel());

    /// <summary>One batch, forward and backward, without an update and without writing anything.</summary>
    public Rehearsal Rehearse()
    {
        using var batch = Timed(() => _task.NextBatch(_config.Batch, _random), out var data);
        using var scope = NewDisposeScope();
        var loss = Timed(() => _task.Loss(batch), out var forward);
        Timed(() => { loss.Total.backward(); return 0; }, out var backward);
        var norm = nn.utils.clip_grad_norm_(_optimiser.Parameters, double.PositiveInfinity);
        _optimiser.Forget();
        return new Rehearsal(Parameters, _config.Steps, loss.Total.item<float>(), norm, new StepTimes(data, forward, backward, 0, 0));
    }

    /// <summary>Runs to the end, or until it is cancelled, which takes effect before the next step and leaves a checkpoint of the last one.</summary>
    /// <param name="folder">Where everything goes; the resolved configuration is there already.</param>
    /// <param name="resume">Whether to go on from the newest checkpoint that is whole; a fresh run refuses a folder that has any.</param>
    /// <param name="cancel">Stops the run.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="TrainingException">Gradients stayed without bounds, or the folder holds another run.</exception>
    public void Run(RunFolder folder, bool resume, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        Begin(folder, resume);
        var bad = 0;
        while (_step < _config.Steps)
        {
            if (cancel.IsCancellationRequested)
            {
                Save(folder);
                cancel.ThrowIfCancellationRequested();
            }

            var norm = Step();
            bad = double.IsFinite(norm) ? 0 : bad + 1;
            if (bad == MostBadSteps)
                throw new TrainingException($"the gradients of {MostBadSteps} steps in a row up to step {_step} were not finite: lower the rate, or look at the data");
            var last = _step == _config.Steps;
            if (_step % _config.TickSteps == 0 || last)
                Tick(folder);
            if (_config.SampleSteps > 0 && (_step % _config.SampleSteps == 0 || last))
                WriteSample(folder);
            if (_step % _config.CheckpointSteps == 0 || last)
                Save(folder);
        }

        WithAverages(() => _task.Export(folder.Result));
        _tell(new RunFinished(folder.Result, _seconds));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimiser.Dispose();
        _average.Dispose();
    }

    private void Begin(RunFolder folder, bool resume)
    {
        if (!resume && folder.Checkpoints.Any)
            throw new TrainingException($"{folder.Path} holds checkpoints of a run: resume it, or use another folder");
        var checkpoint = resume ? folder.Checkpoints.Newest((path, reason) => _tell(new CheckpointRefused(path, reason))) : null;
        if (checkpoint is not null)
            Restore(checkpoint);
        folder.CutStats(_step);
        _tell(new RunStarted(Parameters, _step, _config.Steps, checkpoint?.Folder));
    }

    private double Step()
    {
        using var batch = Timed(() => _task.NextBatch(_config.Batch, _random), out var data);
        using var scope = NewDisposeScope();
        var loss = Timed(() => _task.Loss(batch), out var forward);
        Timed(() => { loss.Total.backward(); return 0; }, out var backward);
        var rate = _config.Rate.At(_step * _config.Batch);
        var norm = Timed(() => _optimiser.Step(rate), out var update);
        Timed(() => { _average.Update(); return 0; }, out var average);
        _step++;
        var times = new StepTimes(data, forward, backward, update, average);
        _seconds += times.Total;
        _tick.Add(loss, norm, rate, times);
        return norm;
    }

    private void Tick(RunFolder folder)
    {
        var rate = _tick.Steps * _config.Batch / _tick.Times.Total;
        var left = (_config.Steps - _step) * (double)_config.Batch / rate;
        var passed = new TickPassed(_step, _config.Steps, _step * _config.Batch, _tick.Means(), _tick.Norm, _tick.Rate, rate, left, _seconds, _tick.Times);
        folder.AppendStats(passed);
        _tell(passed);
        _tick.Clear();
    }

    private void WriteSample(RunFolder folder)
    {
        Look? look = null;
        WithAverages(() => look = _task.Sample());
        if (look is null)
            return;
        var written = new SamplesWritten(_step, look.Picture is null ? null : folder.WriteSample(_step, look.Picture), look.Measures);
        folder.AppendSamples(written);
        _tell(written);
    }

    private void Save(RunFolder folder)
    {
        var state = new RunState(_step, _step * _config.Batch, _seconds, _average.Updates, _optimiser.StepCounts(), _random.Save(), _task.Position, _tick.Save());
        var (path, hash) = folder.Checkpoints.Write(state, Tensors(), _config.KeepCheckpoints);
        _tell(new CheckpointWritten(path, _step, hash));
    }

    private void Restore(Checkpoint checkpoint)
    {
        using (var file = SafetensorsFile.Open(checkpoint.TensorPath))
            StrictLoader.Load(Tensors().ToDictionary(t => t.Key, t => t.Value, StringComparer.Ordinal), file, new LoadOptions { AllowNotFinite = true });
        var state = checkpoint.State;
        _average.Resume(state.AverageUpdates);
        _optimiser.Resume(state.OptimiserSteps);
        _random.Restore(state.Random);
        _task.Position = state.Position;
        _tick.Restore(state.Tick);
        (_step, _seconds) = (state.Step, state.Seconds);
    }

    private IEnumerable<KeyValuePair<string, Tensor>> Tensors() =>
        _weights.Select(w => new KeyValuePair<string, Tensor>("weights/" + w.Name, w.Value))
            .Concat(_average.Averages.Select(a => new KeyValuePair<string, Tensor>("average/" + a.Key, a.Value)))
            .Concat(_optimiser.Moments().Select(m => new KeyValuePair<string, Tensor>("optimiser/" + m.Key, m.Value)));

    /// <summary>Runs something while the networks hold the averaged weights.</summary>
    private void WithAverages(Action action)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var own = _weights.Select(w => w.Value.detach().clone()).ToArray();
        foreach (var (name, value) in _weights)
            value.copy_(_average.Averages[name]);
        foreach (var network in _task.Networks.Values)
            network.eval();
        try
        {
            action();
        }
        finally
        {
            for (var i = 0; i < own.Length; i++)
                _weights[i].Value.copy_(own[i]);
            foreach (var network in _task.Networks.Values)
                network.train();
        }
    }

    private static T Timed<T>(Func<T> action, out double seconds)
    {
        var clock = Stopwatch.GetTimestamp();
        var result = action();
        seconds = Stopwatch.GetElapsedTime(clock).TotalSeconds;
        return result;
    }

    /// <summary>Sums since the last tick.</summary>
    private sealed class TickMeter
    {
        private readonly Dictionary<string, double> _sums = new(StringComparer.Ordinal);
        private double _norms;

        public int Steps { get; private set; }

        public double Rate { get; private set; }

        public double Norm => _norms / Math.Max(1, Steps);

        public StepTimes Times { get; private set; } = new(0, 0, 0, 0, 0);

        public void Add(LossParts loss, double norm, double rate, StepTimes times)
        {
            Steps++;
            Rate = rate;
            _norms += norm;
            Sum("loss", loss.Total);
            foreach (var (name, part) in loss.Parts ?? new Dictionary<string, Tensor>())
                Sum(name, part);
            Times = new StepTimes(
                Times.Data + times.Data, Times.Forward + times.Forward, Times.Backward + times.Backward, Times.Optimiser + times.Optimiser, Times.Average + times.Average);
        }

        public Dictionary<string, double> Means() => _sums.ToDictionary(s => s.Key, s => s.Value / Math.Max(1, Steps), StringComparer.Ordinal);

        public TickSums Save() => new(Steps, _norms, new Dictionary<string, double>(_sums), Times);

        public void Restore(TickSums saved)
        {
            (Steps, _norms, Times) = (saved.Steps, saved.Norms, saved.Times);
            foreach (var (name, sum) in saved.Losses)
                _sums[name] = sum;
        }

        public void Clear()
        {
            (Steps, _norms, Times) = (0, 0, new StepTimes(0, 0, 0, 0, 0));
            _sums.Clear();
        }

        private void Sum(string name, Tensor value) => _sums[name] = _sums.GetValueOrDefault(name) + value.to(ScalarType.Float32).item<float>();
    }
}
