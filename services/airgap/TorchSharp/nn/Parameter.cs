using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>A tensor that is a parameter of a module: optimisers change it, and state dictionaries hold it.</summary>
    public sealed class Parameter : Tensor
    {
        /// <summary>Takes over the native tensor of <paramref name="data"/>, which is not to be used afterwards.</summary>
        public Parameter(Tensor data, bool requires_grad = true)
            : base(TakeOver(data))
        {
            this.requires_grad = requires_grad;
        }

        private static nint TakeOver(Tensor data)
        {
            ArgumentNullException.ThrowIfNull(data);
            if (data.is_leaf) return data.DecoupleFromNativeHandle();
            // A parameter is a leaf: what was computed with gradients is cut off from its history.
            var leaf = data.detach().DecoupleFromNativeHandle();
            data.Dispose();
            return leaf;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Parameter Parameter(Tensor data, bool requires_grad = true) => new(data, requires_grad);
        }
    }
}
