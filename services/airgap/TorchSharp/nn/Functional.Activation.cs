namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            public static Tensor relu(Tensor x, bool inplace = false) => inplace ? Op.InPlace("relu_", x).alias() : Op.Call("relu", x);

            public static Tensor relu6(Tensor x, bool inplace = false) => inplace ? Op.InPlace("relu6_", x).alias() : Op.Call("relu6", x);

            public static Tensor leaky_relu(Tensor input, double negative_slope = 0.01, bool inplace = false) =>
                inplace ? Op.InPlace("leaky_relu_", input, negative_slope).alias() : Op.Call("leaky_relu", input, negative_slope);

            public static Tensor prelu(Tensor input, Tensor weight) => Op.Call("prelu", input, weight);

            public static Tensor elu(Tensor x, double alpha, bool inplace = false) =>
                inplace ? Op.InPlace("elu_", x, alpha).alias() : Op.Call("elu", x, alpha);

            public static Tensor celu(Tensor x, double alpha, bool inplace = false) =>
                inplace ? Op.InPlace("celu_", x, alpha).alias() : Op.Call("celu", x, alpha);

            public static Tensor selu(Tensor x, bool inplace = false) => inplace ? Op.InPlace("selu_", x).alias() : Op.Call("selu", x);

            public static Tensor silu(Tensor x, bool inplace = false) => inplace ? Op.InPlace("silu_", x).alias() : Op.Call("silu", x);

            public static Tensor mish(Tensor x, bool inplace = false) => inplace ? Op.InPlace("mish_", x).alias() : Op.Call("mish", x);

            /// <summary>x times the normal distribution function of x, exactly (by erf).</summary>
            public static Tensor gelu(Tensor x) => FastGelu(x) ?? Op.Call("gelu", x, "none");

            public static Tensor gelu(Tensor x, bool inplace) => inplace ? Op.InPlace("gelu_", x, "none").alias() : gelu(x);

            public static Tensor gelu(Tensor x, Modules.GELU.Approximate approximate, bool inplace = false)
            {
                var name = approximate == Modules.GELU.Approximate.tanh ? "tanh" : "none";
                if (inplace) return Op.InPlace("gelu_", x, name).alias();
                return (approximate == Modules.GELU.Approximate.tanh ? null : FastGelu(x)) ?? Op.Call("gelu", x, name);
            }

            // By the native loop; null where gradients are wanted or the loop declines.
            private static Tensor? FastGelu(Tensor x) => Native.mesh_grad_enabled() != 0 ? null : Tensor.Wrap(Native.mesh_gelu(x.Handle));

            public static Tensor glu(Tensor input, long dim = -1) => Op.Call("glu", input, dim);

            public static Tensor sigmoid(Tensor x) => Op.Call("sigmoid", x);

            public static Tensor sigmoid(Tensor x, bool inplace) => inplace ? Op.InPlace("sigmoid_", x).alias() : Op.Call("sigmoid", x);

            public static Tensor tanh(Tensor x, bool inplace = false) => inplace ? Op.InPlace("tanh_", x).alias() : Op.Call("tanh", x);

            public static Tensor hardtanh(Tensor x, double min_val = -1, double max_val = 1, bool inplace = false) =>
                inplace ? Op.InPlace("hardtanh_", x, min_val, max_val).alias() : Op.Call("hardtanh", x, min_val, max_val);

            public static Tensor hardsigmoid(Tensor input, bool inplace = false) => inplace ? Op.InPlace("hardsigmoid_", input).alias() : Op.Call("hardsigmoid", input);

            public static Tensor hardswish(Tensor input, bool inplace = false) => inplace ? Op.InPlace("hardswish_", input).alias() : Op.Call("hardswish", input);

            public static Tensor softplus(Tensor x, double beta = 1, double threshold = 20) => Op.Call("softplus", x, beta, threshold);

            public static Tensor logsigmoid(Tensor x) => Op.Call("log_sigmoid", x);

            public static Tensor softsign(Tensor x, bool inplace = false)
            {
                using var magnitude = Op.Call("abs", x);
                using var divisor = Op.Call("add.Scalar", magnitude, 1.0);
                return inplace ? Op.InPlace("div_.Tensor", x, divisor).alias() : Op.Call("div.Tensor", x, divisor);
            }

            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => Op.Call("softmax.int", input, dim, dtype);

            public static Tensor log_softmax(Tensor x, long dim) => Op.Call("log_softmax.int", x, dim, Arg.None);

            public static Tensor softmin(Tensor x, long dim)
            {
                using var negative = Op.Call("neg", x);
                return Op.Call("softmax.int", negative, dim, Arg.None);
            }

            public static Tensor softmax2d(Tensor x) => Op.Call("softmax.int", x, -3L, Arg.None);
        }
    }
}
