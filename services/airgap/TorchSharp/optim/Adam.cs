using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>Adam: steps by running means of the gradient and of its square; weight decay is added to the gradient.</summary>
public sealed class Adam : OptimizerHelper, optim.IBetas
{
    private readonly Options _defaults;

    public Adam(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0,
        bool amsgrad = false, bool maximize = false)
        : this([new ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)
    {
    }

    public Adam(IEnumerable<ParamGroup> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0,
        bool amsgrad = false, bool maximize = false)
    {
        if (lr < 0) throw new ArgumentException($"Invalid learning rate: {lr}", nameof(lr));
        if (beta1 is < 0 or >= 1) throw new ArgumentException($"Invalid beta1: {beta1}", nameof(beta1));
        if (beta2 is < 0 or >= 1) throw new ArgumentException($"Invalid beta2: {beta2}", nameof(beta2));
        if (eps < 0) throw new ArgumentException($"Invalid eps: {eps}", nameof(eps));
        if (weight_decay < 0) throw new ArgumentException($"Invalid weight decay: {weight_decay}", nameof(weight_decay));
        _defaults = new Options
        {
            LearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, weight_decay = weight_decay, amsgrad = amsgrad, maximize = maximize,
        };
        foreach (var group in parameters) add_param_group(group);
    }

    public (double, double) Betas
    {
        get => (_defaults.beta1!.Value, _defaults.beta2!.Value);
        set
        {
            (_defaults.beta1, _defaults.beta2) = value;
            foreach (var group in Groups) (((Options)group.Options).beta1, ((Options)group.Options).beta2) = value;
        }
    }

    public override Tensor? step(Func<Tensor>? closure = null) => Step<State>(closure, (group, update) =>
    {
        var o = (Options)group.Options;
        foreach (var state in update.States) state.step++;
        foreach (var (step, part) in update.By(s => s.step))
        {
            new AdamStep(o.LearningRate!.Value, o.beta1!.Value, o.beta2!.Value, o.eps!.Value, o.weight_decay!.Value, Decoupled: false, o.maximize!.Value, step).Apply(
                part.Parameters, part.Gradients, part.Of(s => s.exp_avg), part.Of(s => s.exp_avg_sq),
                o.amsgrad!.Value ? part.Of(s => s.max_exp_avg_sq ?? throw new InvalidOperationException("The state was made without amsgrad.")) : null);
        }
    });

    private protected override OptimizerOptions Complete(OptimizerOptions? options)
    {
        var own = (Options?)options ?? new Options();
        own.LearningRate ??= _defaults.LearningRate;
        own.beta1 ??= _defaults.beta1;
        own.beta2 ??= _defaults.beta2;
        own.eps ??= _defaults.eps;
        own.weight_decay ??= _defaults.weight_decay;
        own.amsgrad ??= _defaults.amsgrad;
        own.maximize ??= _defaults.maximize;
        return own;
    }

    private protected override OptimizerState NewState(Parameter parameter) => new State(parameter);

    public sealed class Options : OptimizerOptions
    {
        public double? beta1;
        public double? beta2;
        public double? eps;
        public double? weight_decay;
        public bool? amsgrad;
        public bool? maximize;

        public Options()
        {
        }

        public override void LoadStateDict(OptimizerOptions source)
        {
            base.LoadStateDict(source);
            var o = (Options)source;
            (beta1, beta2, eps, weight_decay, amsgrad, maximize) = (o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad, o.maximize);
        }

        public override void LoadStateDict(BinaryReader reader)
        {
            base.LoadStateDict(reader);
            beta1 = reader.ReadDouble();
            beta2 = reader.ReadDouble();
            eps = reader.ReadDouble();
            weight_decay = reader.ReadDouble();
            amsgrad = reader.ReadBoolean();
            maximize = reader.ReadBoolean();
        }

        public override void SaveStateDict(BinaryWriter writer)
        {
            base.SaveStateDict(writer);
            writer.Write(beta1 ?? 0);
            writer.Write(beta2 ?? 0);
            writer.Write(eps ?? 0);
            writer.Write(weight_decay ?? 0);
            writer.Write(amsgrad ?? false);
            writer.Write(maximize ?? false);
        }
    }

    public sealed class State : OptimizerState, IDisposable
    {
        public long step;
        public Tensor exp_avg = null!;
        public Tensor exp_avg_sq = null!;
        public Tensor? max_exp_avg_sq;

        public State(Parameter parameter)
            : base(parameter)
        {
        }

        public void Dispose()
        {
            exp_avg?.Dispose();
            exp_avg_sq?.Dispose();
            max_exp_avg_sq?.Dispose();
        }

        public override void Initialize(OptimizerOptions options)
        {
            step = 0;
            exp_avg = Zeros();
            exp_avg_sq = Zeros();
            if (((Options)options).amsgrad == true) max_exp_avg_sq = Zeros();
        }

        public override void to(Device device)
        {
            Move(ref exp_avg!, device);
            Move(ref exp_avg_sq!, device);
            Move(ref max_exp_avg_sq, device);
        }

        public override void LoadStateDict(OptimizerState source)
        {
            var s = (State)source;
            step = s.step;
            Copy(ref exp_avg!, s.exp_avg);
            Copy(ref exp_avg_sq!, s.exp_avg_sq);
            Copy(ref max_exp_avg_sq, s.max_exp_avg_sq);
        }

        public override void LoadStateDict(BinaryReader reader)
        {
            step = reader.ReadInt64();
            LoadConditionalStateTensor(reader, ref exp_avg!, Parameter.device);
            LoadConditionalStateTensor(reader, ref exp_avg_sq!, Parameter.device);
            LoadConditionalStateTensor(reader, ref max_exp_avg_sq, Parameter.device);
        }

        public override void SaveStateDict(BinaryWriter writer)
        {
            writer.Write(step);
            SaveConditionalStateTensor(writer, exp_avg);
            SaveConditionalStateTensor(writer, exp_avg_sq);
            SaveConditionalStateTensor(writer, max_exp_avg_sq);
        }

        public override bool ApproximatelyEquals(OptimizerState other) =>
            other is State s && step == s.step && Close(exp_avg, s.exp_avg) && Close(exp_avg_sq, s.exp_avg_sq) && Close(max_exp_avg_sq, s.max_exp_avg_sq);

        internal override void Release() => Dispose();
    }

    public sealed class ParamGroup : ParamGroup<Options>, optim.IBetas
    {
        public ParamGroup()
        {
        }

        public ParamGroup(IEnumerable<Parameter> parameters, Options options)
            : base(parameters, options)
        {
        }

        public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0,
            bool amsgrad = false, bool maximize = false)
            : base(parameters, new Options
            {
                LearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, weight_decay = weight_decay, amsgrad = amsgrad, maximize = maximize,
            })
        {
        }

        public (double, double) Betas
        {
            get => (Options.beta1!.Value, Options.beta2!.Value);
            set => (Options.beta1, Options.beta2) = value;
        }
    }
}
