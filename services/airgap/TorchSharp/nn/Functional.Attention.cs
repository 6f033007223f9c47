namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class functional
        {
            // Scores of this many elements (16 MiB of floats) are held at a time, whatever the length of the sequences.
            private const long ScoresAtOnce = 4L << 20;

            private static readonly Lazy<bool> FusedAttention = new(() => Op.Exists("scaled_dot_product_attention"));

            /// <summary>
            /// softmax(query key^T / sqrt(E) + mask) value, over the last two dimensions: query [..., L, E], key [..., S, E], value [..., S, Ev] to [..., L, Ev].
            /// The mask broadcasts to [..., L, S]; it is boolean, true where attention is allowed, or is added to the scores. A causal query sees the keys up to
            /// its own position only, and goes without a mask. p is the dropout of the weights.
            /// </summary>
            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0, bool is_casual = false)
            {
                if (p < 0) throw new ArgumentException("A dropout probability must not be negative.", nameof(p));
                if (is_casual && attn_mask is not null) throw new ArgumentException("A causal mask does not go together with another one.", nameof(is_casual));
                if (FusedAttention.Value) return Op.Call("scaled_dot_product_attention", query, key, value, attn_mask, p, is_casual);

                if (attn_mask is null && !is_casual && p == 0 && FastAttention(query, key, value) is { } result) return result;

                using var scope = NewDisposeScope();
                var scale = 1 / Math.Sqrt(query.shape[^1]);
                long rows = query.shape[^2], columns = key.shape[^2];
                var mask = is_casual ? CausalMask(rows, columns, query) : attn_mask is null ? null : Additive(attn_mask, query);
                var scaled = Op.Call("mul.Scalar", query, scale);
                var transposed = Op.Call("transpose.int", key, -2L, -1L);
                var outer = query.shape.Take(query.shape.Length - 2).Aggregate(1L, (a, b) => a * b);
                var block = Math.Max(1, ScoresAtOnce / Math.Max(1, outer * columns));
                // With gradients all the weights are kept for the backward pass anyway.
                if (block >= rows || NeedsGradient(query, key, value)) return Attend(scaled, transposed, value, mask, p).MoveToOuterDisposeScope();
                var parts = new List<Tensor>();
                for (long from = 0; from < rows; from += block)
                {
                    using var step = NewDisposeScope();
                    var count = Math.Min(block, rows - from);
                    var part = mask is null || mask.shape[^2] == 1 ? mask : Op.Call("narrow", mask, -2L, from, count);
                    parts.Add(Attend(Op.Call("narrow", scaled, -2L, from, count), transposed, value, part, p).MoveToOuterDisposeScope());
                }
                return Op.Call("cat", parts.ToArray(), -2L).MoveToOuterDisposeScope();
            }

            // By the native loop, which wants [N, H, L, E]; null where gradients are wanted or the loop declines.
            private static Tensor? FastAttention(Tensor query, Tensor key, Tensor value)
            {
                if (Native.mesh_grad_enabled() != 0) return null;
                var scale = 1 / Math.Sqrt(query.shape[^1]);
                if (query.Dimensions == 4) return Tensor.Wrap(Native.mesh_attention(query.Handle, key.Handle, value.Handle, scale));
                if (query.Dimensions != 3 || key.Dimensions != 3 || value.Dimensions != 3) return null;
                using Tensor q = Op.Call("unsqueeze", query, 1L), k = Op.Call("unsqueeze", key, 1L), v = Op.Call("unsqueeze", value, 1L);
                using var result = Tensor.Wrap(Native.mesh_attention(q.Handle, k.Handle, v.Handle, scale));
                return result is null ? null : Op.Call("squeeze.dim", result, 1L);
            }

            private static Tensor Attend(Tensor query, Tensor transposedKey, Tensor value, Tensor? mask, double p)
            {
                using var scope = NewDisposeScope();
                var scores = Op.Call("matmul", query, transposedKey);
                if (mask is not null) scores = Op.Call("add.Tensor", scores, mask);
                var weights = Op.Call("softmax.int", scores, -1L, Arg.None);
                if (p > 0) weights = Op.Call("dropout", weights, p, true);
                return Op.Call("matmul", weights, value).MoveToOuterDisposeScope();
            }

            private static Tensor CausalMask(long rows, long columns, Tensor like)
            {
                using var full = Op.Call("full_like", Op.Call("new_empty", like, new[] { rows, columns }), double.NegativeInfinity);
                return Op.Call("triu", full, 1L);
            }

            internal static Tensor Additive(Tensor mask, Tensor like)
            {
                if (mask.dtype != ScalarType.Bool) return mask;
                var zeros = Op.Call("new_zeros", like, mask.shape);
                using var masked = Op.Call("logical_not", mask);
                return Op.Call("masked_fill.Scalar", zeros, masked, double.NegativeInfinity);
            }

            private static bool NeedsGradient(params ReadOnlySpan<Tensor> tensors)
            {
                if (!is_grad_enabled()) return false;
                foreach (var tensor in tensors)
                    if (tensor.requires_grad) return true;
                return false;
            }
        }
    }
}
