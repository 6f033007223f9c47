namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static class utils
        {
            /// <summary>Scales all gradients so that the norm of them taken together is <paramref name="max_norm"/> at most.</summary>
            /// <returns>The norm before.</returns>
            public static double clip_grad_norm_(IEnumerable<Modules.Parameter> tensors, double max_norm, double norm_type = 2)
            {
                using var none = no_grad();
                using var scope = NewDisposeScope();
                var gradients = tensors.Select(t => t.grad).OfType<Tensor>().ToArray();
                if (gradients.Length == 0) return 0;
                double total;
                if (double.IsPositiveInfinity(norm_type))
                {
                    using var largest = Op.Call("stack", gradients.Select(g => Op.Call("max", Op.Call("abs", g))).ToArray(), 0L);
                    total = Value(Op.Call("max", largest));
                }
                else
                {
                    var norms = Op.List("_foreach_norm.Scalar", gradients, norm_type);
                    total = Value(Op.Call("norm.Scalar", Op.Call("stack", norms, 0L), norm_type));
                }
                // Not by a comparison alone: a norm that is not a number must come through to the caller and into the gradients.
                var factor = max_norm / (total + 1e-6);
                if (!(factor >= 1)) Op.Run("_foreach_mul_.Scalar", gradients, factor);
                return total;
            }

            public static void clip_grad_value_(IEnumerable<Modules.Parameter> tensors, double clip_value)
            {
                using var none = no_grad();
                foreach (var parameter in tensors)
                {
                    using var gradient = parameter.grad;
                    if (gradient is not null) Op.Run("clamp_", gradient, -clip_value, clip_value);
                }
            }

            public static Tensor parameters_to_vector(IEnumerable<Modules.Parameter> tensors)
            {
                using var scope = NewDisposeScope();
                return Op.Call("cat", tensors.Select(t => Op.Call("reshape", t, new[] { -1L })).ToArray(), 0L).MoveToOuterDisposeScope();
            }

            /// <summary>Cuts the vector into pieces of the parameters' sizes and copies them into the parameters.</summary>
            public static void vector_to_parameters(Tensor vec, IEnumerable<Modules.Parameter> tensors)
            {
                using var none = no_grad();
                long at = 0;
                foreach (var parameter in tensors)
                {
                    var count = parameter.NumberOfElements;
                    using var slice = Op.Call("narrow", vec, 0L, at, count);
                    using var shaped = Op.Call("reshape", slice, parameter.shape);
                    Op.Run("copy_", parameter, shaped, false);
                    at += count;
                }
            }

            private static double Value(Tensor scalar) => Op.Number("_local_scalar_dense", scalar).ToDouble();
        }
    }
}
