using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Attention of several heads between projections of its inputs, which are sequences first: [L, N, E], [S, N, K], [S, N, V] to [L, N, E].</summary>
    public sealed class MultiheadAttention : nn.Module<Tensor, Tensor, Tensor, Tensor?, bool, Tensor?, Tuple<Tensor, Tensor>>
    {
        private readonly long _heads;
        private readonly double _dropout;
        private readonly bool _together;
        private readonly Linear _output;

        internal MultiheadAttention(long embedded_dim, long num_heads, double dropout, bool bias, bool add_bias_kv, bool add_zero_attn, long? kdim, long? vdim)
            : base(nameof(MultiheadAttention))
        {
            NamesItsComponents();
            if (embedded_dim % num_heads != 0) throw new ArgumentException($"{embedded_dim} features cannot be divided among {num_heads} heads.");
            if (add_bias_kv || add_zero_attn) throw new NotSupportedException("Attention to an added bias or to zeros is not supported.");
            (_heads, _dropout) = (num_heads, dropout);
            _together = (kdim ?? embedded_dim) == embedded_dim && (vdim ?? embedded_dim) == embedded_dim;
            if (_together)
            {
                Add("in_proj_weight", 3 * embedded_dim, embedded_dim);
            }
            else
            {
                Add("q_proj_weight", embedded_dim, embedded_dim);
                Add("k_proj_weight", embedded_dim, kdim ?? embedded_dim);
                Add("v_proj_weight", embedded_dim, vdim ?? embedded_dim);
            }
            if (bias) register_parameter("in_proj_bias", new Parameter(zeros(new[] { 3 * embedded_dim })));
            _output = nn.Linear(embedded_dim, embedded_dim, bias);
            if (_output.bias is { } shift) nn.init.zeros_(shift);
            register_module("out_proj", _output);
        }

        /// <returns>The attended values, and the heads' mean weights [N, L, S] where they are wanted.</returns>
        public new Tuple<Tensor, Tensor> call(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask = null, bool need_weights = true, Tensor? attn_mask = null) =>
            base.call(query, key, value, key_padding_mask, need_weights, attn_mask);

        public override Tuple<Tensor, Tensor> forward(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask, bool need_weights, Tensor? attn_mask)
        {
            using var scope = NewDisposeScope();
            long length = query.shape[0], batch = query.shape[1], width = query.shape[2];
            var q = Heads(Project(query, 0, "q_proj_weight"), batch);
            var k = Heads(Project(key, 1, "k_proj_weight"), batch);
            var v = Heads(Project(value, 2, "v_proj_weight"), batch);
            var mask = Mask(key_padding_mask, attn_mask, batch, q);
            Tensor attended;
            Tensor? weights = null;
            var p = training ? _dropout : 0;
            if (need_weights)
            {
                var scores = q.mul(Math.Sqrt((double)_heads / width)).matmul(k.transpose(-2, -1));
                weights = nn.functional.softmax(mask is null ? scores : scores.add(mask), -1);
                attended = (p > 0 ? nn.functional.dropout(weights, p) : weights).matmul(v);
                weights = weights.mean(new long[] { 1 });
            }
            else
            {
                attended = nn.functional.scaled_dot_product_attention(q, k, v, mask, p);
            }
            // [N, H, L, D] -> [L, N, E]
            var joined = attended.permute(2, 0, 1, 3).reshape(length, batch, width);
            var result = _output.call(joined).MoveToOuterDisposeScope();
            return Tuple.Create(result, weights?.MoveToOuterDisposeScope()!);
        }

        private Tensor Project(Tensor input, int part, string name)
        {
            var width = _output.in_features;
            var weight = _together ? get_parameter("in_proj_weight")!.narrow(0, part * width, width) : get_parameter(name)!;
            return nn.functional.linear(input, weight, get_parameter("in_proj_bias")?.narrow(0, part * width, width));
        }

        // [L, N, E] -> [N, H, L, D]
        private Tensor Heads(Tensor projected, long batch) =>
            projected.reshape(projected.shape[0], batch, _heads, projected.shape[2] / _heads).permute(1, 2, 0, 3);

        private Tensor? Mask(Tensor? padding, Tensor? mask, long batch, Tensor like)
        {
            // One mask for all, [L, S], or one a head, [N H, L, S].
            // Of a boolean mask, true means: not to be attended to.
            var additive = mask is null ? null : mask.dtype == ScalarType.Bool ? nn.functional.Additive(mask.logical_not(), like) : mask;
            if (additive is { Dimensions: 3 }) additive = additive.reshape(batch, _heads, additive.shape[1], additive.shape[2]);
            if (padding is null) return additive;
            var hidden = padding.dtype == ScalarType.Bool ? nn.functional.Additive(padding.logical_not(), like) : padding;
            var columns = hidden.reshape(batch, 1, 1, padding.shape[1]);
            return additive is null ? columns : additive.add(columns);
        }

        private void Add(string name, long rows, long columns)
        {
            register_parameter(name, NewParameter(null, null, rows, columns));
            nn.init.xavier_uniform_(get_parameter(name)!);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.MultiheadAttention MultiheadAttention(long embedded_dim, long num_heads, double dropout = 0, bool bias = true,
                bool add_bias_kv = false, bool add_zero_attn = false, long? kdim = null, long? vdim = null) =>
                new(embedded_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim);
        }
    }
}
