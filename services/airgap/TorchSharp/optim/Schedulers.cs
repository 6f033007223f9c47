namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        public static partial class lr_scheduler
        {
            public static partial class impl
            {
                /// <summary>The initial rate times a function of the step.</summary>
                public sealed class LambdaLR : LRScheduler
                {
                    private readonly IReadOnlyList<Func<int, double>> _factors;

                    internal LambdaLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : this(optimizer, optimizer.ParamGroups.Select(_ => lr_lambda), last_epoch, verbose)
                    {
                    }

                    internal LambdaLR(Optimizer optimizer, IEnumerable<Func<int, double>> lr_lambdas, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        _factors = lr_lambdas.ToList();
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Initial.Zip(_factors, (rate, factor) => rate * factor(Epoch));
                }

                /// <summary>The rate before times a function of the step.</summary>
                public sealed class MultiplicativeLR : LRScheduler
                {
                    private readonly IReadOnlyList<Func<int, double>> _factors;

                    internal MultiplicativeLR(Optimizer optimizer, Func<int, double> lr_lambda, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        _factors = Groups.Select(_ => lr_lambda).ToList();
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Epoch == 0 ? Current : Current.Zip(_factors, (rate, factor) => rate * factor(Epoch));
                }

                /// <summary>Times gamma at every so many steps.</summary>
                public sealed class StepLR : LRScheduler
                {
                    private readonly int _size;
                    private readonly double _gamma;

                    internal StepLR(Optimizer optimizer, int step_size, double gamma = 0.1, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_size, _gamma) = (step_size, gamma);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Epoch == 0 || Epoch % _size != 0 ? Current : Current.Select(rate => rate * _gamma);

                    protected override IEnumerable<double> get_closed_form_lr() => Initial.Select(rate => rate * Math.Pow(_gamma, Epoch / _size));
                }

                /// <summary>Times gamma at given steps.</summary>
                public sealed class MultiStepLR : LRScheduler
                {
                    private readonly IReadOnlyList<int> _milestones;
                    private readonly double _gamma;

                    internal MultiStepLR(Optimizer optimizer, IList<int> milestones, double gamma = 0.1, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_milestones, _gamma) = (milestones.ToList(), gamma);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Current.Select(rate => rate * Math.Pow(_gamma, _milestones.Count(m => m == Epoch)));

                    protected override IEnumerable<double> get_closed_form_lr() => Initial.Select(rate => rate * Math.Pow(_gamma, _milestones.Count(m => m <= Epoch)));
                }

                /// <summary>Times gamma at every step.</summary>
                public sealed class ExponentialLR : LRScheduler
                {
                    private readonly double _gamma;

                    internal ExponentialLR(Optimizer optimizer, double gamma = 0.1, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        _gamma = gamma;
                        step();
                    }

                    protected override IEnumerable<double> get_lr() => Epoch == 0 ? Current : Current.Select(rate => rate * _gamma);

                    protected override IEnumerable<double> get_closed_form_lr() => Initial.Select(rate => rate * Math.Pow(_gamma, Epoch));
                }

                /// <summary>The initial rate times a factor for so many steps, then the initial rate.</summary>
                public sealed class ConstantLR : LRScheduler
                {
                    private readonly double _factor;
                    private readonly int _steps;

                    internal ConstantLR(Optimizer optimizer, double factor = 1.0 / 3, int total_iters = 5, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_factor, _steps) = (factor, total_iters);
                        step();
                    }

                    protected override IEnumerable<double> get_lr() =>
                        Epoch == 0 ? Current.Select(rate => rate * _factor) : Epoch == _steps ? Current.Select(rate => rate / _factor) : Current;

                    protected override IEnumerable<double> get_closed_form_lr() => Initial.Select(rate => Epoch < _steps ? rate * _factor : rate);
                }

                /// <summary>The initial rate times a factor that goes linearly from one value to another.</summary>
                public sealed class LinearLR : LRScheduler
                {
                    private readonly double _start;
                    private readonly double _end;
                    private readonly int _steps;

                    internal LinearLR(Optimizer optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int total_iters = 5, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_start, _end, _steps) = (start_factor, end_factor, total_iters);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (Epoch == 0) return Current.Select(rate => rate * _start);
                        return Epoch > _steps ? Current : Current.Select(rate => rate * (1 + (_end - _start) / (_steps * _start + (Epoch - 1) * (_end - _start))));
                    }

                    protected override IEnumerable<double> get_closed_form_lr() =>
                        Initial.Select(rate => rate * (_start + (_end - _start) * Math.Min(_steps, Epoch) / _steps));
                }

                /// <summary>The initial rate times (1 - step / steps) ^ power.</summary>
                public sealed class PolynomialLR : LRScheduler
                {
                    private readonly int _steps;
                    private readonly double _power;

                    internal PolynomialLR(Optimizer optimizer, int total_iters = 5, double power = 1, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_steps, _power) = (total_iters, power);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (Epoch == 0 || Epoch > _steps) return Current;
                        var factor = Math.Pow((1.0 - (double)Epoch / _steps) / (1.0 - (double)(Epoch - 1) / _steps), _power);
                        return Current.Select(rate => rate * factor);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() =>
                        Initial.Select(rate => rate * Math.Pow(1.0 - (double)Math.Min(_steps, Epoch) / _steps, _power));
                }

                /// <summary>Half a cosine from the initial rate to the smallest, in so many steps, and back again.</summary>
                public sealed class CosineAnnealingLR : LRScheduler
                {
                    private readonly double _half;
                    private readonly double _smallest;

                    internal CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1, bool verbose = false)
                        : base(optimizer, last_epoch, verbose)
                    {
                        (_half, _smallest) = (T_max, eta_min);
                        step();
                    }

                    protected override IEnumerable<double> get_lr()
                    {
                        if (Epoch == 0) return Current;
                        if ((Epoch - 1 - _half) % (2 * _half) == 0)
                            return Current.Zip(Initial, (rate, initial) => rate + (initial - _smallest) * (1 - Math.Cos(Math.PI / _half)) / 2);
                        var factor = (1 + Math.Cos(Math.PI * Epoch / _half)) / (1 + Math.Cos(Math.PI * (Epoch - 1) / _half));
                        return Current.Select(rate => factor * (rate - _smallest) + _smallest);
                    }

                    protected override IEnumerable<double> get_closed_form_lr() =>
                        Initial.Select(rate => _smallest + (rate - _smallest) * (1 + Math.Cos(Math.PI * Epoch / _half)) / 2);
                }
            }
        }
    }
}
