using System.Collections;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Modules by number; "0", "1", ... are their names.</summary>
    public sealed class ModuleList<T> : nn.Module, IList<T>
        where T : nn.Module
    {
        private readonly List<T> _list = [];

        public ModuleList(params T[] modules)
            : base("ModuleList")
        {
            NamesItsComponents();
            extend(modules);
        }

        public int Count => _list.Count;
        public bool IsReadOnly => false;

        public T this[int index]
        {
            get => _list[index];
            set
            {
                _list[index] = value;
                Renumber();
            }
        }

        public void Add(T item)
        {
            ArgumentNullException.ThrowIfNull(item);
            register_module(Name(_list.Count), item);
            _list.Add(item);
        }

        public void append(params T[] parameters) => extend(parameters);

        public void extend(IEnumerable<T> modules)
        {
            ArgumentNullException.ThrowIfNull(modules);
            foreach (var module in modules) Add(module);
        }

        public void Insert(int index, T item)
        {
            _list.Insert(index, item);
            Renumber();
        }

        public bool Remove(T item)
        {
            var removed = _list.Remove(item);
            Renumber();
            return removed;
        }

        public void RemoveAt(int index)
        {
            _list.RemoveAt(index);
            Renumber();
        }

        public void Clear()
        {
            _list.Clear();
            Renumber();
        }

        public bool Contains(T item) => _list.Contains(item);

        public int IndexOf(T item) => _list.IndexOf(item);

        public void CopyTo(T[] array, int arrayIndex) => _list.CopyTo(array, arrayIndex);

        public IEnumerator<T> GetEnumerator() => _list.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        private void Renumber()
        {
            ClearModules();
            for (var i = 0; i < _list.Count; i++) register_module(Name(i), _list[i]);
        }

        private static string Name(int index) => index.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Parameters by number; "0", "1", ... are their names.</summary>
    public sealed class ParameterList : nn.Module, IList<Parameter>
    {
        private readonly List<Parameter> _list = [];

        public ParameterList(params Parameter[] parameters)
            : base(nameof(ParameterList))
        {
            NamesItsComponents();
            extend(parameters);
        }

        public int Count => _list.Count;
        public bool IsReadOnly => false;

        public Parameter this[int index]
        {
            get => _list[index];
            set
            {
                _list[index] = value;
                Renumber(_list.Count);
            }
        }

        public void Add(Parameter item)
        {
            register_parameter(Name(_list.Count), item);
            _list.Add(item);
        }

        public void append(params Parameter[] parameters) => extend(parameters);

        public void extend(IEnumerable<Parameter> parameters)
        {
            ArgumentNullException.ThrowIfNull(parameters);
            foreach (var parameter in parameters) Add(parameter);
        }

        public void Insert(int index, Parameter item)
        {
            _list.Insert(index, item);
            Renumber(_list.Count - 1);
        }

        public bool Remove(Parameter item)
        {
            var at = IndexOf(item);
            if (at >= 0) RemoveAt(at);
            return at >= 0;
        }

        public void RemoveAt(int index)
        {
            _list.RemoveAt(index);
            Renumber(_list.Count + 1);
        }

        public void Clear()
        {
            var count = _list.Count;
            _list.Clear();
            Renumber(count);
        }

        public bool Contains(Parameter item) => IndexOf(item) >= 0;

        public int IndexOf(Parameter item) => _list.FindIndex(p => ReferenceEquals(p, item));

        public void CopyTo(Parameter[] array, int arrayIndex) => _list.CopyTo(array, arrayIndex);

        public IEnumerator<Parameter> GetEnumerator() => _list.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        internal override void Replaced(Tensor old, Tensor moved)
        {
            var at = _list.FindIndex(p => ReferenceEquals(p, old));
            if (at >= 0) _list[at] = (Parameter)moved;
        }

        private void Renumber(int before)
        {
            for (var i = 0; i < before; i++) ConditionallyRegisterParameter(Name(i), null);
            for (var i = 0; i < _list.Count; i++) ConditionallyRegisterParameter(Name(i), _list[i]);
        }

        private static string Name(int index) => index.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.ModuleList<Module> ModuleList(params Module[] modules) => new(modules);

            public static Modules.ModuleList<T> ModuleList<T>(params T[] modules)
                where T : Module => new(modules);

            public static Modules.ParameterList ParameterList(params Modules.Parameter[] parameters) => new(parameters);

            public static Modules.ModuleDict<Module> ModuleDict(params (string, Module)[] modules) => ModuleDict<Module>(modules);

            public static Modules.ModuleDict<T> ModuleDict<T>(params (string, T)[] modules)
                where T : Module
            {
                var dict = new Modules.ModuleDict<T>();
                foreach (var (name, module) in modules) dict.Add(name, module);
                return dict;
            }
        }
    }
}
