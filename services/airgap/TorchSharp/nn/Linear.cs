using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>x W^T + b over the last dimension: [..., in] to [..., out].</summary>
    public sealed class Linear : nn.Module<Tensor, Tensor>, IFusible
    {
        private static readonly Frozen.Maker Maker = Native.mesh_product_new;

        private readonly Frozen _frozen = new();
        private Parameter _weight;
        private Parameter? _bias;

        internal Linear(Parameter weight, Parameter? bias)
            : base(nameof(Linear))
        {
            NamesItsComponents();
            ArgumentNullException.ThrowIfNull(weight);
            if (weight.shape.Length != 2) throw new ArgumentException("A linear module's weight has two dimensions.", nameof(weight));
            (out_features, in_features) = (weight.shape[0], weight.shape[1]);
            _weight = weight;
            _bias = bias;
            register_parameter(nameof(weight), weight);
            if (bias is not null) register_parameter(nameof(bias), bias);
        }

        internal Linear(long inputSize, long outputSize, bool hasBias, Device? device, ScalarType? dtype)
            : this(NewParameter(device, dtype, outputSize, inputSize), hasBias ? NewParameter(device, dtype, outputSize) : null)
        {
            nn.init.kaiming_uniform_(_weight, Math.Sqrt(5));
            var bound = inputSize > 0 ? 1 / Math.Sqrt(inputSize) : 0;
            if (_bias is not null) nn.init.uniform_(_bias, -bound, bound);
        }

        public long in_features { get; set; }

        public long out_features { get; set; }

        /// <summary>[out, in].</summary>
        public Parameter weight
        {
            get => _weight;
            set
            {
                ArgumentNullException.ThrowIfNull(value);
                _weight = value;
                ConditionallyRegisterParameter(nameof(weight), value);
                (out_features, in_features) = (value.shape[0], value.shape[1]);
            }
        }

        public Parameter? bias
        {
            get => _bias;
            set
            {
                _bias = value;
                ConditionallyRegisterParameter(nameof(bias), value);
            }
        }

        public override Tensor forward(Tensor tensor) => Frozen(tensor, Fused.None) ?? nn.functional.linear(tensor, _weight, _bias);

        Tensor? IFusible.Activated(Tensor input, Fused activation) => Frozen(input, activation);

        internal override void DropCaches() => _frozen.Drop();

        private Tensor? Frozen(Tensor input, Fused activation) =>
            _frozen.Of(_weight, _bias, Maker) is { } layer ? Tensor.Wrap(Native.mesh_product_run(layer, input.Handle, (int)activation)) : null;
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Linear Linear(long inputSize, long outputSize, bool hasBias = true, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, outputSize, hasBias, device, dtype);

            public static Modules.Linear Linear(Modules.Parameter weight, Modules.Parameter? bias = null) => new(weight, bias);
        }
    }
}
