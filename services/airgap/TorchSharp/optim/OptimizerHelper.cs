using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>What all optimisers but those with a native half of their own share: groups, states, saving and loading.</summary>
public abstract class OptimizerHelper : optim.Optimizer
{
    // Temporary tensors of a step are of this many elements in all, however large the model.
    private const long ElementsAtOnce = 1L << 24;

    private readonly Dictionary<nint, OptimizerState> _states = [];

    private protected OptimizerHelper()
    {
    }

    public override void add_param_group(ParamGroup param_group)
    {
        ArgumentNullException.ThrowIfNull(param_group);
        param_group.Parameters = param_group.Parameters as IList<Parameter> ?? param_group.Parameters.ToList();
        param_group.Options = Complete(param_group.Options);
        param_group.Options.InitialLearningRate = param_group.LearningRate;
        foreach (var parameter in param_group.Parameters)
        {
            if (_states.ContainsKey(parameter.Handle)) throw new InvalidOperationException("A parameter belongs to one group only.");
            var state = NewState(parameter);
            state.Initialize(param_group.Options);
            _states.Add(parameter.Handle, state);
        }
        Groups.Add(param_group);
    }

    public virtual StateDictionary state_dict()
    {
        var dictionary = new StateDictionary();
        foreach (var group in Groups)
        {
            dictionary.Options.Add(group.Options);
            dictionary.StateIndexRef.Add([]);
            foreach (var parameter in group.Parameters)
            {
                dictionary.StateIndexRef[^1].Add(dictionary.State.Count);
                dictionary.State.Add(_states[parameter.Handle]);
            }
        }
        return dictionary;
    }

    /// <summary>Copies options and states of an optimiser of the same kind, with as many groups and parameters.</summary>
    public virtual void load_state_dict(StateDictionary state_dict)
    {
        ArgumentNullException.ThrowIfNull(state_dict);
        var own = this.state_dict();
        Compare(own.Options.Count, state_dict.Options.Count, own.State.Count, state_dict.State.Count);
        for (var i = 0; i < own.Options.Count; i++)
            if (!ReferenceEquals(own.Options[i], state_dict.Options[i])) own.Options[i].LoadStateDict(state_dict.Options[i]);
        for (var i = 0; i < own.State.Count; i++)
            if (!ReferenceEquals(own.State[i], state_dict.State[i])) own.State[i].LoadStateDict(state_dict.State[i]);
    }

    public void save_state_dict(string location)
    {
        using var writer = new BinaryWriter(File.Create(location));
        save_state_dict(writer);
    }

    public virtual void save_state_dict(BinaryWriter writer)
    {
        var own = state_dict();
        writer.Write(GetType().Name);
        writer.Write(own.Options.Count);
        writer.Write(own.State.Count);
        foreach (var options in own.Options) options.SaveStateDict(writer);
        foreach (var state in own.State) state.SaveStateDict(writer);
    }

    public void load_state_dict(string location)
    {
        using var reader = new BinaryReader(File.OpenRead(location));
        load_state_dict(reader);
    }

    public virtual void load_state_dict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var own = state_dict();
        var name = reader.ReadString();
        if (name != GetType().Name) throw new InvalidDataException($"The state is one of {name}, not of {GetType().Name}.");
        Compare(own.Options.Count, reader.ReadInt32(), own.State.Count, reader.ReadInt32());
        foreach (var options in own.Options) options.LoadStateDict(reader);
        foreach (var state in own.State) state.LoadStateDict(reader);
    }

    public virtual void to(Device device)
    {
        foreach (var state in _states.Values) state.to(device);
    }

    private protected override void ReleaseStates()
    {
        foreach (var state in _states.Values) state.Release();
        _states.Clear();
    }

    /// <summary>Options with this optimiser's own where the group has none.</summary>
    private protected abstract OptimizerOptions Complete(OptimizerOptions? options);

    private protected abstract OptimizerState NewState(Parameter parameter);

    /// <summary>Runs the closure, then hands over what has gradients: group by group, some parameters at a time.</summary>
    private protected Tensor? Step<TState>(Func<Tensor>? closure, Action<ParamGroup, Update<TState>> body)
        where TState : OptimizerState
    {
        Tensor? loss = null;
        if (closure is not null)
        {
            using var on = enable_grad();
            loss = closure();
        }
        using var none = no_grad();
        foreach (var group in Groups)
        {
            var ready = group.Parameters.Select(p => (parameter: p, state: (TState)_states[p.Handle])).ToList();
            for (var at = 0; at < ready.Count;)
            {
                using var scope = NewDisposeScope();
                var update = new Update<TState>();
                for (long elements = 0; at < ready.Count && elements < ElementsAtOnce; at++)
                {
                    if (ready[at].parameter.grad is not { } gradient) continue;
                    update.Add(ready[at].parameter, gradient, ready[at].state);
                    elements += ready[at].parameter.NumberOfElements;
                }
                if (update.Count > 0) body(group, update);
            }
        }
        return loss;
    }

    private static void Compare(int groups, int sourceGroups, int states, int sourceStates)
    {
        if (groups != sourceGroups || states != sourceStates)
            throw new ArgumentException($"The state has {sourceGroups} groups and {sourceStates} parameters, the optimiser {groups} and {states}.");
    }

    /// <summary>Parameters, their gradients and states, side by side.</summary>
    private protected sealed class Update<TState>
    {
        private readonly List<Tensor> _parameters = [];
        private readonly List<Tensor> _gradients = [];

        internal List<TState> States { get; } = [];

        internal int Count => States.Count;

        internal Tensor[] Parameters => _parameters.ToArray();

        internal Tensor[] Gradients => _gradients.ToArray();

        internal void Add(Parameter parameter, Tensor gradient, TState state)
        {
            _parameters.Add(parameter);
            _gradients.Add(gradient);
            States.Add(state);
        }

        internal Tensor[] Of(Func<TState, Tensor> part) => States.Select(part).ToArray();

        /// <summary>The parts for which a key of the state is the same.</summary>
        internal IEnumerable<(TKey key, Update<TState> part)> By<TKey>(Func<TState, TKey> key)
            where TKey : notnull
        {
            foreach (var same in Enumerable.Range(0, Count).GroupBy(i => key(States[i])))
            {
                var part = new Update<TState>();
                foreach (var i in same)
                {
                    part._parameters.Add(_parameters[i]);
                    part._gradients.Add(_gradients[i]);
                    part.States.Add(States[i]);
                }
                yield return (same.Key, part);
            }
        }
    }
}
