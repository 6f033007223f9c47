using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>A table of vectors: integers [...] to [..., dimensions].</summary>
    public sealed class Embedding : nn.Module<Tensor, Tensor>
    {
        private readonly long? _paddingIndex;
        private readonly double? _maxNorm;
        private readonly double _normType;
        private readonly bool _scaleGradient;
        private readonly bool _sparse;
        private Parameter _weight;

        internal Embedding(Parameter weight, long? padding, double? maxNorm, double normType, bool scaleGradient, bool sparse)
            : base(nameof(Embedding))
        {
            NamesItsComponents();
            var rows = weight.shape[0];
            if (padding < -rows || padding >= rows) throw new ArgumentOutOfRangeException(nameof(padding), $"The padding index {padding} is not within {rows} rows.");
            (_paddingIndex, _maxNorm, _normType, _scaleGradient, _sparse) = (padding < 0 ? padding + rows : padding, maxNorm, normType, scaleGradient, sparse);
            _weight = weight;
            register_parameter(nameof(weight), weight);
        }

        public Parameter weight
        {
            get => _weight;
            set
            {
                ArgumentNullException.ThrowIfNull(value);
                _weight = value;
                ConditionallyRegisterParameter(nameof(weight), value);
            }
        }

        public override Tensor forward(Tensor input) =>
            nn.functional.embedding(input, _weight, _paddingIndex, _maxNorm, _normType, _scaleGradient, _sparse);

        internal Embedding Initialised()
        {
            nn.init.normal_(_weight);
            if (_paddingIndex is not { } row) return this;
            using var none = no_grad();
            using var padded = Op.Call("select.int", _weight, 0L, row);
            Op.Run("zero_", padded);
            return this;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Embedding Embedding(long num_embeddings, long embedding_dims, long? padding_idx = null, double? max_norm = null, double norm_type = 2,
                bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null) =>
                new Modules.Embedding(new Modules.Parameter(empty(new[] { num_embeddings, embedding_dims }, dtype, device)), padding_idx, max_norm, norm_type,
                    scale_grad_by_freq, sparse).Initialised();

            public static Modules.Embedding Embedding_from_pretrained(Tensor embeddings, bool freeze = true, long? padding_idx = null, double? max_norm = null,
                double norm_type = 2, bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null)
            {
                ArgumentNullException.ThrowIfNull(embeddings);
                using var none = no_grad();
                var table = embeddings.detach().to(dtype ?? embeddings.dtype, device ?? embeddings.device, copy: true);
                return new(new Modules.Parameter(table, !freeze), padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse);
            }
        }
    }
}
