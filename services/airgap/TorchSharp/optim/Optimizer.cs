using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        /// <summary>What a scheduler sets.</summary>
        public interface ILearningRateController
        {
            double LearningRate { get; set; }

            double InitialLearningRate { get; set; }
        }

        /// <summary>An optimiser, or a group of parameters, with a momentum.</summary>
        public interface IMomentum
        {
            double Momentum { get; set; }
        }

        /// <summary>An optimiser, or a group of parameters, with two decay rates of running means.</summary>
        public interface IBetas
        {
            (double, double) Betas { get; set; }
        }

        /// <summary>Changes parameters by their gradients.</summary>
        public abstract class Optimizer : IDisposable
        {
            private protected Optimizer()
            {
            }

            public virtual IEnumerable<ILearningRateController> ParamGroups => Groups;

            internal List<ParamGroup> Groups { get; } = [];

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing)
            {
                if (disposing) ReleaseStates();
            }

            private protected virtual void ReleaseStates()
            {
            }

            /// <summary>Sets all gradients to zero.</summary>
            public virtual void zero_grad()
            {
                using var none = no_grad();
                using var scope = NewDisposeScope();
                var gradients = parameters().Select(p => p.grad).OfType<Tensor>().ToArray();
                if (gradients.Length > 0) Op.Run("_foreach_zero_", gradients);
            }

            public virtual IEnumerable<Parameter> parameters() => Groups.SelectMany(g => g.Parameters);

            /// <summary>One step; a closure is evaluated first, with gradients on, and its loss given back.</summary>
            public abstract Tensor? step(Func<Tensor>? closure = null);

            public virtual void add_param_group(ParamGroup param_group)
            {
                ArgumentNullException.ThrowIfNull(param_group);
                Groups.Add(param_group);
            }

            /// <summary>An optimiser's options, one entry a group, and states, one entry a parameter, with the numbers of the states of each group.</summary>
            public sealed class StateDictionary
            {
                internal StateDictionary()
                {
                }

                public List<OptimizerOptions> Options { get; } = [];

                public List<OptimizerState> State { get; } = [];

                public List<List<int>> StateIndexRef { get; } = [];
            }
        }
    }
}
