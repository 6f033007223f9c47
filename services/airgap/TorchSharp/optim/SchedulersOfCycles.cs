namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static partial class impl
            {
                /// <summary>
                /// From a low rate up to the largest and down to almost nothing; the momentum (or the first beta) goes the other way.
                /// </summary>
                public sealed class OneCycleLR : LRScheduler
                {
                    private readonly List<double> _largest;
                    private readonly List<double> _first;
                    private readonly List<double> _smallest;
                    private readonly List<double> _lowMomentum;
                    private readonly List<double> _highMomentum;
                    private readonly List<(double End, int From, int To)> _phases;
                    private readonly bool _cosine;
                    private readonly bool _withMomentum;
                    private readonly int _steps;

                    internal OneCycleLR(Optimizer optimizer, IEnumerable<double> max_lr, int total_steps, int epochs, int steps_per_epoch, double pct_start,
                        AnnealStrategy anneal_strategy, bool cycle_momentum, IEnumerable<double>? base_momentum, IEnumerable<double>? max_momentum, double div_factor,
                        double final_div_factor, bool three_phase, int last_epoch, bool verbose)
                        : base(optimizer, last_epoch, verbose)
                    {
                        _steps = total_steps > 0 ? total_steps : epochs > 0 && steps_per_epoch > 0 ? epochs * steps_per_epoch
                            : throw new ArgumentException("Either total_steps, or both epochs and steps_per_epoch, are needed.");
                        if (pct_start is < 0 or > 1) throw new ArgumentException($"pct_start lies between 0 and 1, but is {pct_start}.", nameof(pct_start));
                        _cosine = anneal_strategy == AnnealStrategy.Cos;
                        // Places: 0 the first value, 1 the largest, 2 the last.
                        var peak = pct_start * _steps - 1;
                        _phases = three_phase ? [(peak, 0, 1), (2 * peak, 1, 0), (_steps - 1, 0, 2)] : [(peak, 0, 1), (_steps - 1, 1, 2)];
                        _largest = Fit(max_lr);
                        _first = _largest.ConvertAll(rate => rate / div_factor);
                        _smallest = _first.ConvertAll(rate => rate / final_div_factor);
                        _withMomentum = cycle_momentum;
                        _lowMomentum = Fit(base_momentum ?? [0.85]);
                        _highMomentum = Fit(max_momentum ?? [0.95]);
                        if (cycle_momentum && Groups.Any(g => g is not (IMomentum or IBetas)))
                            throw new ArgumentException("The optimiser must have a momentum or betas for them to be cycled.", nameof(cycle_momentum));
                        if (last_epoch == -1)
                            for (var i = 0; i < Groups.Count; i++) Groups[i].InitialLearningRate = _first[i];
                        step();
                    }

                    public enum AnnealStrategy
                    {
                        Cos = 0,
                        Linear = 1,
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (Epoch >= _steps) throw new InvalidOperationException($"Tried to step {Epoch} times; the cycle has {_steps} steps.");
                        var begin = 0.0;
                        var phase = 0;
                        while (phase < _phases.Count - 1 && Epoch > _phases[phase].End) begin = _phases[phase++].End;
                        var (end, from, to) = _phases[phase];
                        var share = (Epoch - begin) / (end - begin);
                        if (_withMomentum)
                            for (var i = 0; i < Groups.Count; i++) SetMomentum(i, Between(Momentum(i, from), Momentum(i, to), share));
                        return Enumerable.Range(0, Groups.Count).Select(i => Between(Rate(i, from), Rate(i, to), share)).ToList();
                    }

                    private double Rate(int group, int place) => place switch { 0 => _first[group], 1 => _largest[group], _ => _smallest[group] };

                    private double Momentum(int group, int place) => place == 1 ? _lowMomentum[group] : _highMomentum[group];

                    private double Between(double from, double to, double share) =>
                        _cosine ? to + (from - to) / 2 * (1 + Math.Cos(Math.PI * share)) : from + (to - from) * share;

                    private void SetMomentum(int group, double value)
                    {
                        if (Groups[group] is IMomentum momentum) momentum.Momentum = value;
                        else if (Groups[group] is IBetas betas) betas.Betas = (value, betas.Betas.Item2);
                    }

                    private List<double> Fit(IEnumerable<double> values)
                    {
                        var list = values.ToList();
                        if (list.Count == 1) list = Enumerable.Repeat(list[0], Groups.Count).ToList();
                        return list.Count == Groups.Count ? list : throw new ArgumentException($"{list.Count} values were given for {Groups.Count} groups.");
                    }
                }

                /// <summary>One scheduler after another; each begins anew at its milestone.</summary>
                public sealed class SequentialLR : LRScheduler
                {
                    private readonly List<LRScheduler> _schedulers;
                    private readonly List<int> _milestones;

                    internal SequentialLR(Optimizer optimizer, IEnumerable<LRScheduler> schedulers, IEnumerable<int> milestones, int last_epoch = -1)
                        : base(optimizer, last_epoch)
                    {
                        (_schedulers, _milestones) = (schedulers.ToList(), milestones.ToList());
                        if (_schedulers.Count != _milestones.Count + 1)
                            throw new ArgumentException($"{_schedulers.Count} schedulers need {_schedulers.Count - 1} milestones, not {_milestones.Count}.", nameof(milestones));
                        if (_schedulers.Any(s => !ReferenceEquals(s.Optimizer, optimizer)))
                            throw new ArgumentException("All schedulers must be of the same optimiser.", nameof(schedulers));
                        // Each scheduler has taken its first step when it was made. All are undone, and the first one's is taken again.
                        Epoch++;
                        foreach (var group in Groups) group.LearningRate = group.InitialLearningRate;
                        foreach (var scheduler in _schedulers) scheduler.Epoch--;
                        _schedulers[0].step();
                        Took(_schedulers[0].get_last_lr());
                    }

                    private protected override void GoOn(int? epoch)
                    {
                        if (epoch is not null) throw new NotSupportedException("A sequence of schedulers goes on by one step at a time.");
                        Epoch++;
                        var at = _milestones.Count(m => m <= Epoch);
                        if (at > 0 && _milestones[at - 1] == Epoch) _schedulers[at].step(0);
                        else _schedulers[at].step();
                        Took(_schedulers[at].get_last_lr());
                    }
                }

                /// <summary>Several schedulers at once, each changing what the others left.</summary>
                public sealed class ChainedLR : LRScheduler
                {
                    private readonly List<LRScheduler> _schedulers;

                    internal ChainedLR(IEnumerable<LRScheduler> schedulers)
                    {
                        _schedulers = schedulers.ToList();
                        Took(_schedulers[^1].Groups.Select(g => g.LearningRate));
                    }

                    public override void step()
                    {
                        foreach (var scheduler in _schedulers) scheduler.step();
                        Took(_schedulers[^1].Groups.Select(g => g.LearningRate));
                    }
                }
            }
        }
    }
}
