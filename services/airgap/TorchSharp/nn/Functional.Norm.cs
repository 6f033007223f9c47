namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            public static Tensor group_norm(Tensor input, long num_groups, Tensor? weight = null, Tensor? bias = null, double eps = 1e-5) =>
                FastGroupNorm(input, num_groups, weight, bias, eps, false) ?? PlainGroupNorm(input, num_groups, weight, bias, eps);

            /// <summary>By the native loop, through SiLU where asked for; null where gradients are wanted or the loop declines.</summary>
            internal static Tensor? FastGroupNorm(Tensor input, long groups, Tensor? weight, Tensor? bias, double eps, bool activate) =>
                groups > 0 && Native.mesh_grad_enabled() == 0
                    ? Tensor.Wrap(Native.mesh_group_norm(input.Handle, weight?.Handle ?? 0, bias?.Handle ?? 0, groups, eps, activate ? 1 : 0))
                    : null;

            private static Tensor PlainGroupNorm(Tensor input, long groups, Tensor? weight, Tensor? bias, double eps)
            {
                if (input.dtype is not (ScalarType.BFloat16 or ScalarType.Float16) || input.device_type != DeviceType.CPU)
                    return Op.Call("group_norm", input, groups, weight, bias, eps, true);

                // libtorch 1.13 adds up a group in the input's own type, whose eight bits stop counting after a few thousand elements; later ones do not.
                using var scope = NewDisposeScope();
                var wide = Op.Call("group_norm", input.to(ScalarType.Float32), groups, weight?.to(ScalarType.Float32), bias?.to(ScalarType.Float32), eps, true);
                return wide.to(input.dtype).MoveToOuterDisposeScope();
            }

            public static Tensor layer_norm(Tensor input, long[] normalized_shape, Tensor? weight = null, Tensor? bias = null, double eps = 1e-5) =>
                Op.Call("layer_norm", input, normalized_shape, weight, bias, eps, true);

            public static Tensor batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight = null, Tensor? bias = null, bool training = false,
                double momentum = 0.1, double eps = 1e-5) =>
                Op.Call("batch_norm", input, weight, bias, running_mean, running_var, training, momentum, eps, true);

            public static Tensor instance_norm(Tensor input, Tensor? running_mean = null, Tensor? running_var = null, Tensor? weight = null, Tensor? bias = null,
                bool use_input_stats = true, double momentum = 0.1, double eps = 1e-5) =>
                Op.Call("instance_norm", input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, true);

            /// <summary>Divides by (k + alpha * the mean of the squares of neighbouring channels) ^ beta.</summary>
            public static Tensor local_response_norm(Tensor input, long size, double alpha = 1e-4, double beta = 0.75, double k = 1)
            {
                using var scope = NewDisposeScope();
                var channels = input.shape[1];
                var squares = Op.Call("reshape", Op.Call("mul.Tensor", input, input), new[] { input.shape[0], 1, channels, -1 });
                var mean = Op.Call("avg_pool2d", Op.Call("constant_pad_nd", squares, new[] { 0, 0, size / 2, (size - 1) / 2 }, 0.0), new[] { size, 1 }, One);
                var divisor = Op.Call("pow.Tensor_Scalar", Op.Call("add.Scalar", Op.Call("mul.Scalar", mean, alpha), k), beta);
                return Op.Call("div.Tensor", input, Op.Call("reshape", divisor, input.shape)).MoveToOuterDisposeScope();
            }
        }
    }
}
