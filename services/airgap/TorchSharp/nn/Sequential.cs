using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Modules one after another. What a module hands to the next is disposed of as soon as that has run.</summary>
    public sealed class Sequential : nn.Module<Tensor, Tensor>
    {
        private readonly List<nn.IModule<Tensor, Tensor>> _modules = [];
        private readonly List<string> _names = [];

        public Sequential(params nn.Module<Tensor, Tensor>[] modules)
            : base(nameof(Sequential))
        {
            NamesItsComponents();
            ArgumentNullException.ThrowIfNull(modules);
            foreach (var module in modules) append(module);
        }

        public Sequential(params (string name, nn.Module<Tensor, Tensor> module)[] modules)
            : base(nameof(Sequential))
        {
            NamesItsComponents();
            ArgumentNullException.ThrowIfNull(modules);
            foreach (var (name, module) in modules) append(name, module);
        }

        public int Count => _modules.Count;

        [IndexerName("SequentialItems")]
        public nn.IModule<Tensor, Tensor> this[int index] => _modules[index];

        [IndexerName("SequentialItems")]
        public Sequential this[(int? start, int? end) index] => this[(index.start ?? 0)..(index.end ?? Count)];

        /// <summary>A part of the sequence; its modules are shared, and keep their names.</summary>
        [IndexerName("SequentialItems")]
        public Sequential this[Range index]
        {
            get
            {
                var (offset, length) = index.GetOffsetAndLength(Count);
                var part = new Sequential(Array.Empty<nn.Module<Tensor, Tensor>>());
                for (var i = offset; i < offset + length; i++) part.append(_names[i], _modules[i]);
                return part;
            }
        }

        public Sequential append(nn.IModule<Tensor, Tensor> module) =>
            append(Count.ToString(System.Globalization.CultureInfo.InvariantCulture), module);

        public Sequential append(string name, nn.IModule<Tensor, Tensor> module)
        {
            register_module(name, (nn.Module)module);
            _modules.Add(module);
            _names.Add(name);
            return this;
        }

        public override Tensor forward(Tensor tensor)
        {
            if (_modules.Count == 0) return tensor.alias();
            var current = tensor;
            for (var i = 0; i < _modules.Count; i++)
            {
                var next = i + 1 < _modules.Count ? Fusion.Try(_modules[i], _modules[i + 1], current) : null;
                if (next is null) next = Step(i, current);
                else i++;
                if (!ReferenceEquals(current, tensor)) current.Dispose();
                current = next;
            }
            return current;
        }

        // A module that hands its input back (there are such outside this library) must not have it disposed of.
        private Tensor Step(int index, Tensor input)
        {
            var result = _modules[index].call(input);
            return ReferenceEquals(result, input) ? input.alias() : result;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Sequential Sequential() => new(Array.Empty<Module<Tensor, Tensor>>());

            public static Modules.Sequential Sequential(params Module<Tensor, Tensor>[] modules) => new(modules);

            public static Modules.Sequential Sequential(params (string name, Module<Tensor, Tensor> submodule)[] modules) => new(modules);

            public static Modules.Sequential Sequential(IEnumerable<Module<Tensor, Tensor>> modules) => new(modules.ToArray());

            public static Modules.Sequential Sequential(IEnumerable<(string name, Module<Tensor, Tensor> submodule)> modules) => new(modules.ToArray());
        }
    }
}
