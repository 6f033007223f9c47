namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>What becomes of the losses of the elements.</summary>
        public enum Reduction
        {
            None = 0,
            Mean = 1,
            Sum = 2,
        }

        /// <summary>The modules' computations as functions. All are differentiable where mathematics allows.</summary>
        public static partial class functional
        {
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) => Op.Call("linear", input, weights, bias);

            public static Tensor bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias = null) =>
                Op.Call("bilinear", input1, input2, weight, bias);

            public static Tensor one_hot(Tensor x, long num_classes = -1) => Op.Call("one_hot", x, num_classes);

            public static Tensor pixel_shuffle(Tensor input, long upscale_factor) => Op.Call("pixel_shuffle", input, upscale_factor);

            public static Tensor pixel_unshuffle(Tensor input, long downscale_factor) => Op.Call("pixel_unshuffle", input, downscale_factor);

            /// <summary>Divides by the p-norm along a dimension, or by <paramref name="eps"/> where the norm is smaller.</summary>
            public static Tensor normalize(Tensor input, double p = 2, long dim = 1, double eps = 1e-12)
            {
                using var norm = Op.Call("norm.ScalarOpt_dim", input, p, new[] { dim }, true);
                using var bounded = Op.Call("clamp_min", norm, eps);
                return Op.Call("div.Tensor", input, bounded);
            }

            public static Tensor cosine_similarity(Tensor x1, Tensor x2, long dim = 1, double eps = 1e-8) =>
                Op.Call("cosine_similarity", x1, x2, dim, eps);

            public static Tensor pairwise_distance(Tensor input1, Tensor input2, double p = 2, double eps = 1e-6, bool keepdim = false) =>
                Op.Call("pairwise_distance", input1, input2, p, eps, keepdim);

            public static Tensor dropout(Tensor input, double p = 0.5, bool training = true, bool inplace = false)
            {
                CheckProbability(p);
                return inplace ? Op.InPlace("dropout_", input, p, training).alias() : Op.Call("dropout", input, p, training);
            }

            public static Tensor dropout1d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                FeatureDropout(input, p, training, inplace);

            public static Tensor dropout2d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                FeatureDropout(input, p, training, inplace);

            public static Tensor dropout3d(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                FeatureDropout(input, p, training, inplace);

            public static Tensor alpha_dropout(Tensor input, double p = 0.5, bool training = false, bool inplace = false)
            {
                CheckProbability(p);
                return inplace ? Op.InPlace("alpha_dropout_", input, p, training).alias() : Op.Call("alpha_dropout", input, p, training);
            }

            /// <summary>The amounts go from the last dimension backwards: how much before it, how much after it.</summary>
            public static Tensor pad(Tensor input, long[] pad, PaddingModes mode = PaddingModes.Constant, double value = 0) => mode switch
            {
                PaddingModes.Constant => Op.Call("constant_pad_nd", input, pad, value),
                PaddingModes.Zeros => Op.Call("constant_pad_nd", input, pad, 0.0),
                PaddingModes.Reflect => Op.Call("pad", input, pad, "reflect"),
                PaddingModes.Replicate => Op.Call("pad", input, pad, "replicate"),
                PaddingModes.Circular => Op.Call("pad", input, pad, "circular"),
                _ => throw new ArgumentOutOfRangeException(nameof(mode)),
            };

            public static Tensor pad(Tensor input, ReadOnlySpan<long> pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, pad.ToArray(), mode, value);

            public static Tensor pad(Tensor input, (long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, new[] { pad.Item1, pad.Item2 }, mode, value);

            public static Tensor pad(Tensor input, (long, long, long, long) pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, new[] { pad.Item1, pad.Item2, pad.Item3, pad.Item4 }, mode, value);

            /// <summary>Pads the last dimension on both sides alike.</summary>
            public static Tensor pad(Tensor input, long pad, PaddingModes mode = PaddingModes.Constant, double value = 0) =>
                functional.pad(input, new[] { pad, pad }, mode, value);

            /// <summary>Rows of <paramref name="weight"/>. The gradient of the row <paramref name="padding_idx"/> stays zero.</summary>
            internal static Tensor embedding(Tensor x, Tensor weight, long? padding_idx, double? max_norm, double norm_type, bool scale_grad_by_freq, bool sparse)
            {
                if (max_norm is { } limit)
                {
                    using var none = no_grad();
                    using var flat = Op.Call("contiguous", x);
                    Op.Run("embedding_renorm_", weight, flat, limit, norm_type);
                }
                return Op.Call("embedding", weight, x, padding_idx ?? -1, scale_grad_by_freq, sparse);
            }

            private static Tensor FeatureDropout(Tensor input, double p, bool training, bool inplace)
            {
                CheckProbability(p);
                return inplace ? Op.InPlace("feature_dropout_", input, p, training).alias() : Op.Call("feature_dropout", input, p, training);
            }

            private static void CheckProbability(double p)
            {
                if (!(p >= 0 && p <= 1)) throw new ArgumentOutOfRangeException(nameof(p), $"A dropout probability lies between 0 and 1, but {p} was given.");
            }
        }
    }
}
