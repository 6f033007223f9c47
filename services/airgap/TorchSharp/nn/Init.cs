namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>Fills tensors in place, outside of autograd, and gives them back.</summary>
        public static class init
        {
            public enum NonlinearityType
            {
                Linear = 0,
                Conv1D = 1,
                Conv2D = 2,
                Conv3D = 3,
                ConvTranspose1D = 4,
                ConvTranspose2D = 5,
                ConvTranspose3D = 6,
                Sigmoid = 7,
                Tanh = 8,
                ReLU = 9,
                LeakyReLU = 10,
            }

            public enum FanInOut
            {
                FanIn = 0,
                FanOut = 1,
            }

            public static double calculate_gain(NonlinearityType nonlinearity, double param = 0) => nonlinearity switch
            {
                NonlinearityType.Tanh => 5.0 / 3.0,
                NonlinearityType.ReLU => Math.Sqrt(2),
                NonlinearityType.LeakyReLU => Math.Sqrt(2 / (1 + param * param)),
                _ => 1,
            };

            /// <summary>How many values go into an element of a layer's output, and how many elements a value goes into.</summary>
            public static (long fanIn, long fanOut) CalculateFanInAndFanOut(Tensor tensor)
            {
                var shape = tensor.shape;
                if (shape.Length < 2) throw new ArgumentException("Fan in and fan out need a tensor of two dimensions or more.", nameof(tensor));
                var field = shape.Skip(2).Aggregate(1L, (a, b) => a * b);
                return (shape[1] * field, shape[0] * field);
            }

            public static Tensor zeros_(Tensor tensor) => Fill("zero_", tensor);

            public static Tensor ones_(Tensor tensor) => Fill("fill_.Scalar", tensor, 1.0);

            public static Tensor constant_(Tensor tensor, Scalar val) => Fill("fill_.Scalar", tensor, val);

            public static Tensor uniform_(Tensor tensor, double low = 0, double high = 1, Generator? generator = null) => Fill("uniform_", tensor, low, high, generator);

            public static Tensor normal_(Tensor tensor, double mean = 0, double std = 1, Generator? generator = null) => Fill("normal_", tensor, mean, std, generator);

            /// <summary>A normal distribution cut off at <paramref name="a"/> and <paramref name="b"/>.</summary>
            public static Tensor trunc_normal_(Tensor tensor, double mean = 0, double std = 1, double a = -2, double b = 2, Generator? generator = null)
            {
                using var none = no_grad();
                // Uniform over the distribution function's values at the bounds, then its inverse.
                var low = NormalDistribution((a - mean) / std);
                var high = NormalDistribution((b - mean) / std);
                Op.Run("uniform_", tensor, 2 * low - 1, 2 * high - 1, generator);
                Op.Run("erfinv_", tensor);
                Op.Run("mul_.Scalar", tensor, std * Math.Sqrt(2));
                Op.Run("add_.Scalar", tensor, mean);
                return Op.InPlace("clamp_", tensor, a, b);
            }

            public static Tensor xavier_uniform_(Tensor tensor, double gain = 1)
            {
                var bound = gain * Math.Sqrt(6.0 / FanSum(tensor));
                return uniform_(tensor, -bound, bound);
            }

            public static Tensor xavier_normal_(Tensor tensor, double gain = 1) => normal_(tensor, 0, gain * Math.Sqrt(2.0 / FanSum(tensor)));

            public static Tensor glorot_uniform_(Tensor tensor, double gain = 1) => xavier_uniform_(tensor, gain);

            public static Tensor glorot_normal_(Tensor tensor, double gain = 1) => xavier_normal_(tensor, gain);

            public static Tensor kaiming_uniform_(Tensor tensor, double a = 0, FanInOut mode = FanInOut.FanIn, NonlinearityType nonlinearity = NonlinearityType.LeakyReLU)
            {
                var bound = Math.Sqrt(3.0) * Deviation(tensor, a, mode, nonlinearity);
                return uniform_(tensor, -bound, bound);
            }

            public static Tensor kaiming_normal_(Tensor tensor, double a = 0, FanInOut mode = FanInOut.FanIn, NonlinearityType nonlinearity = NonlinearityType.LeakyReLU) =>
                normal_(tensor, 0, Deviation(tensor, a, mode, nonlinearity));

            public static Tensor eye_(Tensor tensor)
            {
                if (tensor.shape.Length != 2) throw new ArgumentException("An identity matrix has two dimensions.", nameof(tensor));
                using var none = no_grad();
                using var eye = Op.Call("eye.m", tensor.shape[0], tensor.shape[1]);
                return Op.InPlace("copy_", tensor, eye, false);
            }

            /// <summary>A (semi-)orthogonal matrix, the dimensions after the first taken together.</summary>
            public static Tensor orthogonal_(Tensor tensor, double gain = 1)
            {
                if (tensor.shape.Length < 2) throw new ArgumentException("An orthogonal matrix has two dimensions or more.", nameof(tensor));
                using var none = no_grad();
                using var scope = NewDisposeScope();
                var rows = tensor.shape[0];
                var columns = tensor.shape.Skip(1).Aggregate(1L, (a, b) => a * b);
                var flat = Op.Call("new_empty", tensor, new[] { rows, columns });
                Op.Run("normal_", flat, 0.0, 1.0);
                if (rows < columns) flat = Op.Call("t", flat);
                var (q, r) = Op.Call2("linalg_qr", flat, "reduced");
                // The decomposition is unique up to signs; the signs of R's diagonal make the result uniform.
                q = Op.Call("mul.Tensor", q, Op.Call("sign", Op.Call("diagonal", r)));
                if (rows < columns) q = Op.Call("t", q);
                Op.Run("copy_", tensor, Op.Call("mul.Scalar", Op.Call("reshape", q, tensor.shape), gain), false);
                return tensor;
            }

            /// <summary>A convolution that hands its channels through unchanged.</summary>
            public static Tensor dirac_(Tensor tensor)
            {
                if (tensor.shape.Length is < 3 or > 5) throw new ArgumentException("A convolution's weight has three to five dimensions.", nameof(tensor));
                using var none = no_grad();
                Op.Run("zero_", tensor);
                using var scope = NewDisposeScope();
                var centre = tensor;
                for (var d = tensor.shape.Length - 1; d >= 2; d--) centre = Op.Call("select.int", centre, (long)d, tensor.shape[d] / 2);
                Op.Run("fill_.Scalar", Op.Call("diagonal", centre), 1.0);
                return tensor;
            }

            private static Tensor Fill(string name, Tensor tensor, params ReadOnlySpan<Arg> values)
            {
                using var none = no_grad();
                Op.Run(name, [tensor, .. values]);
                return tensor;
            }

            private static double FanSum(Tensor tensor)
            {
                var (fanIn, fanOut) = CalculateFanInAndFanOut(tensor);
                return fanIn + fanOut;
            }

            private static double Deviation(Tensor tensor, double a, FanInOut mode, NonlinearityType nonlinearity)
            {
                var (fanIn, fanOut) = CalculateFanInAndFanOut(tensor);
                return calculate_gain(nonlinearity, a) / Math.Sqrt(mode == FanInOut.FanIn ? fanIn : fanOut);
            }

            // By Simpson's rule: the bounds are two numbers, and the framework has no error function.
            private static double NormalDistribution(double x)
            {
                const int Steps = 4000;
                if (Math.Abs(x) > 9) return x < 0 ? 0 : 1;
                var h = x / Steps;
                var sum = 1 + Math.Exp(-x * x / 2);
                for (var i = 1; i < Steps; i++) sum += (i % 2 == 0 ? 2 : 4) * Math.Exp(-i * h * i * h / 2);
                return 0.5 + sum * h / 3 / Math.Sqrt(2 * Math.PI);
            }
        }
    }
}
