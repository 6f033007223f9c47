using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>Gradient descent, with momentum where asked for.</summary>
public sealed class SGD : OptimizerHelper, optim.IMomentum
{
    private readonly Options _defaults;

    public SGD(IEnumerable<Parameter> parameters, double lr, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false, bool maximize = false)
        : this([new ParamGroup { Parameters = parameters }], lr, momentum, dampening, weight_decay, nesterov, maximize)
    {
    }

    public SGD(IEnumerable<ParamGroup> parameters, double lr, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false,
        bool maximize = false)
    {
        if (lr < 0) throw new ArgumentException($"Invalid learning rate: {lr}", nameof(lr));
        if (momentum < 0) throw new ArgumentException($"Invalid momentum: {momentum}", nameof(momentum));
        if (weight_decay < 0) throw new ArgumentException($"Invalid weight decay: {weight_decay}", nameof(weight_decay));
        if (nesterov && (momentum == 0 || dampening != 0)) throw new ArgumentException("Nesterov's momentum needs a momentum and no dampening.", nameof(nesterov));
        _defaults = new Options
        {
            LearningRate = lr, momentum = momentum, dampening = dampening, weight_decay = weight_decay, nesterov = nesterov, maximize = maximize,
        };
        foreach (var group in parameters) add_param_group(group);
    }

    public double Momentum
    {
        get => _defaults.momentum!.Value;
        set
        {
            _defaults.momentum = value;
            foreach (var group in Groups) ((Options)group.Options).momentum = value;
        }
    }

    public override Tensor? step(Func<Tensor>? closure = null) => Step<State>(closure, (group, update) =>
    {
        var options = (Options)group.Options;
        var parameters = update.Parameters;
        var gradients = update.Gradients;
        if (options.maximize == true) gradients = Op.List("_foreach_neg", gradients);
        if (options.weight_decay != 0) gradients = Op.List("_foreach_add.List", gradients, parameters, options.weight_decay!.Value);
        if (options.momentum != 0) gradients = WithMomentum(update.States, gradients, options);
        Op.Run("_foreach_add_.List", parameters, gradients, -options.LearningRate!.Value);
    });

    private protected override OptimizerOptions Complete(OptimizerOptions? options)
    {
        var own = (Options?)options ?? new Options();
        own.LearningRate ??= _defaults.LearningRate;
        own.momentum ??= _defaults.momentum;
        own.dampening ??= _defaults.dampening;
        own.weight_decay ??= _defaults.weight_decay;
        own.nesterov ??= _defaults.nesterov;
        own.maximize ??= _defaults.maximize;
        return own;
    }

    private protected override OptimizerState NewState(Parameter parameter) => new State(parameter);

    private static Tensor[] WithMomentum(List<State> states, Tensor[] gradients, Options options)
    {
        double momentum = options.momentum!.Value, dampening = options.dampening!.Value;
        var known = states.Where(s => s.momentum_buffer is not null).ToArray();
        if (known.Length > 0)
        {
            var buffers = known.Select(s => s.momentum_buffer!).ToArray();
            Op.Run("_foreach_mul_.Scalar", buffers, momentum);
            Op.Run("_foreach_add_.List", buffers, gradients.Where((_, i) => states[i].momentum_buffer is not null).ToArray(), 1 - dampening);
        }
        // The first gradient is taken whole, without dampening.
        for (var i = 0; i < states.Count; i++) states[i].momentum_buffer ??= Op.Call("clone", gradients[i], Arg.None).DetachFromDisposeScope();
        var velocities = states.Select(s => s.momentum_buffer!).ToArray();
        return options.nesterov == true ? Op.List("_foreach_add.List", gradients, velocities, momentum) : velocities;
    }

    public sealed class Options : OptimizerOptions
    {
        public double? momentum;
        public double? dampening;
        public double? weight_decay;
        public bool? nesterov;
        public bool? maximize;

        public Options()
        {
        }

        public override void LoadStateDict(OptimizerOptions source)
        {
            base.LoadStateDict(source);
            var o = (Options)source;
            (momentum, dampening, weight_decay, nesterov, maximize) = (o.momentum, o.dampening, o.weight_decay, o.nesterov, o.maximize);
        }

        public override void LoadStateDict(BinaryReader reader)
        {
            base.LoadStateDict(reader);
            momentum = reader.ReadDouble();
            dampening = reader.ReadDouble();
            weight_decay = reader.ReadDouble();
            nesterov = reader.ReadBoolean();
            maximize = reader.ReadBoolean();
        }

        public override void SaveStateDict(BinaryWriter writer)
        {
            base.SaveStateDict(writer);
            writer.Write(momentum ?? 0);
            writer.Write(dampening ?? 0);
            writer.Write(weight_decay ?? 0);
            writer.Write(nesterov ?? false);
            writer.Write(maximize ?? false);
        }
    }

    public sealed class State : OptimizerState, IDisposable
    {
        public Tensor? momentum_buffer;

        public State(Parameter parameter)
            : base(parameter)
        {
        }

        public void Dispose() => momentum_buffer?.Dispose();

        public override void to(Device device) => Move(ref momentum_buffer, device);

        public override void LoadStateDict(OptimizerState source) => Copy(ref momentum_buffer, ((State)source).momentum_buffer);

        public override void LoadStateDict(BinaryReader reader) => LoadConditionalStateTensor(reader, ref momentum_buffer, Parameter.device);

        public override void SaveStateDict(BinaryWriter writer) => SaveConditionalStateTensor(writer, momentum_buffer);

        public override bool ApproximatelyEquals(OptimizerState other) => other is State s && Close(momentum_buffer, s.momentum_buffer);

        internal override void Release() => Dispose();
    }

    public sealed class ParamGroup : ParamGroup<Options>, optim.IMomentum
    {
        public ParamGroup()
        {
        }

        public ParamGroup(IEnumerable<Parameter> parameters, Options options)
            : base(parameters, options)
        {
        }

        public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.001, double momentum = 0, double dampening = 0, double weight_decay = 0, bool nesterov = false,
            bool maximize = false)
            : base(parameters, new Options
            {
                LearningRate = lr, momentum = momentum, dampening = dampening, weight_decay = weight_decay, nesterov = nesterov, maximize = maximize,
            })
        {
        }

        public double Momentum
        {
            get => Options.momentum!.Value;
            set => Options.momentum = value;
        }
    }
}
