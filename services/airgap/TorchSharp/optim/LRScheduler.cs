namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            /// <summary>Sets the learning rates of an optimiser's groups, step by step. The first rates hold from the construction on.</summary>
            public abstract class LRScheduler
            {
                private readonly bool _verbose;
                private List<double> _last = [];

                private protected LRScheduler()
                {
                }

                private protected LRScheduler(Optimizer optimizer, int last_epoch = -1, bool verbose = false)
                {
                    ArgumentNullException.ThrowIfNull(optimizer);
                    Optimizer = optimizer;
                    Epoch = last_epoch;
                    _verbose = verbose;
                    Groups = optimizer.ParamGroups.ToList();
                    Initial = Groups.Select(g => g.InitialLearningRate).ToList();
                    _last = Groups.Select(g => g.LearningRate).ToList();
                }

                internal Optimizer? Optimizer { get; }

                /// <summary>The number of the step, from 0.</summary>
                internal int Epoch { get; set; }

                internal IReadOnlyList<ILearningRateController> Groups { get; } = [];

                private protected IReadOnlyList<double> Initial { get; } = [];

                private protected IEnumerable<double> Current => Groups.Select(g => g.LearningRate);

                public virtual void step() => step(null);

                /// <summary>For schedulers that go by a metric; the others ignore it.</summary>
                public virtual void step(double current, int? epoch = null) => step(epoch);

                /// <summary>Goes on by one, or to a given step (by the closed form, where there is one).</summary>
                public virtual void step(int? epoch) => GoOn(epoch);

                private protected virtual void GoOn(int? epoch)
                {
                    Epoch = epoch ?? Epoch + 1;
                    var rates = (epoch is null ? get_lr() : get_closed_form_lr()).ToList();
                    for (var i = 0; i < Groups.Count; i++) Groups[i].LearningRate = rates[i];
                    if (_verbose && !_last.SequenceEqual(rates))
                        Console.WriteLine($"Adjusting learning rate to {string.Join(", ", rates)}");
                    _last = rates;
                }

                public IEnumerable<double> get_last_lr() => _last;

                internal void Took(IEnumerable<double> rates) => _last = rates.ToList();

                /// <summary>The rates of the present step, from those of the step before.</summary>
                protected virtual IEnumerable<double> get_lr() => throw new NotSupportedException($"{GetType().Name} does not go step by step.");

                /// <summary>The rates of the present step, from those of the beginning.</summary>
                protected virtual IEnumerable<double> get_closed_form_lr() => get_lr();
            }
        }
    }
}
