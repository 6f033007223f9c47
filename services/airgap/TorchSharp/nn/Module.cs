using System.Reflection;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>
        /// The base of all modules: a tree of named sub-modules, parameters and buffers. A derived class assigns them to fields and calls
        /// <see cref="RegisterComponents"/> at the end of its constructor.
        /// </summary>
        public partial class Module : IDisposable
        {
            private const BindingFlags InstanceFields = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

            private readonly OrderedDict<string, Modules.Parameter> _internal_params = new();
            private readonly OrderedDict<string, (Tensor Tensor, bool Persistent)> _internal_buffers = new();
            private readonly OrderedDict<string, Module> _internal_submodules = new();
            private readonly string _name;
            private bool _training = true;
            private bool _registered;
            private bool _disposed;

            protected Module(string name)
            {
                _name = name;
            }

            /// <summary>Whether the module is in training mode (which it is at first) or in evaluation mode.</summary>
            public virtual bool training => _training;

            public virtual string GetName() => _name;

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            /// <summary>Disposes of the parameters and buffers, and of all sub-modules.</summary>
            protected virtual void Dispose(bool disposing)
            {
                if (!disposing || _disposed) return;
                _disposed = true;
                foreach (var (_, parameter) in _internal_params) parameter.Dispose();
                foreach (var (_, (buffer, _)) in _internal_buffers) buffer.Dispose();
                foreach (var (_, module) in _internal_submodules) module.Dispose();
                DropCaches();
            }

            /// <summary>What a built-in module derived from its weights for speed is released here.</summary>
            internal virtual void DropCaches()
            {
            }

            public virtual Module apply(Action<Module> fn)
            {
                ArgumentNullException.ThrowIfNull(fn);
                foreach (var (_, module) in _internal_submodules) module.apply(fn);
                fn(this);
                return this;
            }

            public virtual void train(bool train = true)
            {
                _training = train;
                foreach (var (_, module) in named_children()) module.train(train);
            }

            public virtual void eval() => train(false);

            public virtual void zero_grad(bool set_to_none = true)
            {
                foreach (var parameter in parameters())
                {
                    using var gradient = parameter.grad;
                    if (gradient is null) continue;
                    if (set_to_none) parameter.grad = null;
                    else Op.Run("zero_", gradient);
                }
            }

            public virtual IEnumerable<(string name, Module module)> named_children() => _internal_submodules;

            public virtual IEnumerable<Module> children() => named_children().Select(c => c.module);

            public virtual IEnumerable<(string name, Module module)> named_modules()
            {
                foreach (var child in _internal_submodules) yield return child;
                foreach (var (name, child) in _internal_submodules)
                    foreach (var (inner, module) in child.named_modules()) yield return ($"{name}.{inner}", module);
            }

            public virtual IEnumerable<Module> modules() => named_modules().Select(m => m.module);

            public virtual IEnumerable<(string name, Modules.Parameter parameter)> named_parameters(bool recurse = true)
            {
                var seen = new HashSet<IntPtr>();
                foreach (var (name, parameter) in _internal_params)
                    if (seen.Add(parameter.Handle)) yield return (name, parameter);
                if (!recurse) yield break;
                foreach (var (prefix, child) in _internal_submodules)
                    foreach (var (name, parameter) in child.named_parameters(true))
                        if (seen.Add(parameter.Handle)) yield return ($"{prefix}.{name}", parameter);
            }

            public virtual IEnumerable<Modules.Parameter> parameters(bool recurse = true) => named_parameters(recurse).Select(p => p.parameter);

            public virtual IEnumerable<(string name, Tensor buffer)> named_buffers(bool recurse = true, bool include_nonpersistent = true)
            {
                var seen = new HashSet<IntPtr>();
                foreach (var (name, (buffer, persistent)) in _internal_buffers)
                    if ((persistent || include_nonpersistent) && seen.Add(buffer.Handle)) yield return (name, buffer);
                if (!recurse) yield break;
                foreach (var (prefix, child) in _internal_submodules)
                    foreach (var (name, buffer) in child.named_buffers(true, include_nonpersistent))
                        if (seen.Add(buffer.Handle)) yield return ($"{prefix}.{name}", buffer);
            }

            public virtual IEnumerable<Tensor> buffers(bool recurse = true, bool include_nonpersistent = true) =>
                named_buffers(recurse, include_nonpersistent).Select(b => b.buffer);

            public virtual bool has_parameter(string target) => get_parameter(target) is not null;

            public virtual bool has_buffer(string target) => get_buffer(target) is not null;

            public virtual Modules.Parameter? get_parameter(string target)
            {
                ArgumentNullException.ThrowIfNull(target);
                return _internal_params.TryGetValue(target, out var own) ? own : Below(target)?.module.get_parameter(Below(target)!.Value.rest);
            }

            public virtual Tensor? get_buffer(string target)
            {
                ArgumentNullException.ThrowIfNull(target);
                return _internal_buffers.TryGetValue(target, out var own) ? own.Tensor : Below(target)?.module.get_buffer(Below(target)!.Value.rest);
            }

            public void add_module(string name, Module module) => register_module(name, module);

            public virtual void register_module(string name, Module submodule)
            {
                if (submodule is null)
                {
                    _internal_submodules.Remove(name);
                    return;
                }
                if (string.IsNullOrEmpty(name)) throw new ArgumentException("A module's name must not be empty.", nameof(name));
                if (name.Contains('.', StringComparison.Ordinal)) throw new ArgumentException($"A module's name must not contain '.', but is '{name}'.", nameof(name));
                if (_internal_submodules.ContainsKey(name)) throw new InvalidOperationException($"A sub-module '{name}' is already registered.");
                submodule.RegisterComponents();
                _internal_submodules.Add(name, submodule);
            }

            public virtual void register_parameter(string name, Modules.Parameter param)
            {
                if (param is null || param.IsInvalid) throw new ArgumentNullException(nameof(param), "There is no tensor to register as a parameter.");
                if (_internal_params.ContainsKey(name)) throw new InvalidOperationException($"A parameter '{name}' is already registered.");
                param.DetachFromDisposeScope();
                _internal_params.Add(name, param);
            }

            public virtual void register_buffer(string name, Tensor tensor, bool persistent = true)
            {
                if (tensor is null || tensor.IsInvalid) throw new ArgumentNullException(nameof(tensor), "There is no tensor to register as a buffer.");
                if (_internal_buffers.ContainsKey(name)) throw new InvalidOperationException($"A buffer '{name}' is already registered.");
                tensor.DetachFromDisposeScope();
                _internal_buffers.Add(name, (tensor, persistent));
            }

            /// <summary>Registers, once, whatever modules, parameters and other tensors (as buffers) the fields hold.</summary>
            protected virtual void RegisterComponents()
            {
                if (_registered) return;
                _registered = true;
                foreach (var field in GetType().GetFields(InstanceFields))
                {
                    if (!IsComponent(field)) continue;
                    var name = field.ComponentName();
                    switch (field.GetValue(this))
                    {
                        case Module module when !(_internal_submodules.TryGetValue(name, out var known) && ReferenceEquals(known, module)):
                            register_module(name, module);
                            break;
                        case Modules.Parameter parameter:
                            ConditionallyRegisterParameter(name, parameter);
                            break;
                        case Tensor tensor and not Modules.Parameter:
                            ConditionallyRegisterBuffer(name, tensor);
                            break;
                    }
                }
            }

            /// <summary>A built-in module names its parameters itself; its fields are not looked through.</summary>
            private protected void NamesItsComponents() => _registered = true;

            protected void ConditionallyRegisterParameter(string name, Modules.Parameter? value)
            {
                if (value is null)
                {
                    _internal_params.Remove(name);
                    return;
                }
                value.DetachFromDisposeScope();
                _internal_params[name] = value;
            }

            protected void ConditionallyRegisterBuffer(string name, Tensor? value, bool persistent = true)
            {
                if (value is null)
                {
                    _internal_buffers.Remove(name);
                    return;
                }
                value.DetachFromDisposeScope();
                _internal_buffers[name] = (value, persistent);
            }

            protected void ClearModules() => _internal_submodules.Clear();

            private static bool IsComponent(FieldInfo field) =>
                field.DeclaringType?.Assembly != typeof(Module).Assembly;

            /// <summary>A parameter of undefined values.</summary>
            private protected static Modules.Parameter NewParameter(Device? device, ScalarType? dtype, params long[] shape) =>
                new(empty(shape, dtype, device));

            private (Module module, string rest)? Below(string target)
            {
                var dot = target.IndexOf('.', StringComparison.Ordinal);
                return dot > 0 && _internal_submodules.TryGetValue(target[..dot], out var child) ? (child, target[(dot + 1)..]) : null;
            }
        }
    }
}
