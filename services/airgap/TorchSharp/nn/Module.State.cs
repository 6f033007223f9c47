namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            /// <summary>Parameters first, then persistent buffers, each in the order of the tree; entries are the tensors themselves, not copies.</summary>
            public virtual Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
            {
                destination ??= [];
                string Key(string name) => string.IsNullOrEmpty(prefix) ? name : $"{prefix}.{name}";
                foreach (var (name, parameter) in named_parameters()) destination.TryAdd(Key(name), parameter);
                foreach (var (name, buffer) in named_buffers(true, false)) destination.TryAdd(Key(name), buffer);
                // A tensor shared by two modules is listed above once; here it gets its other names too.
                foreach (var (name, child) in _internal_submodules) child.state_dict(destination, Key(name));
                return destination;
            }

            /// <summary>
            /// Copies the tensors of <paramref name="source"/> into this module's, converting type and device.
            /// </summary>
            /// <exception cref="InvalidOperationException">Strict, and the keys differ.</exception>
            /// <exception cref="ArgumentException">A shape differs.</exception>
            public virtual (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
                Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
            {
                ArgumentNullException.ThrowIfNull(source);
                var skipped = skip is null ? [] : skip.ToHashSet(StringComparer.Ordinal);
                var destination = state_dict();
                var unexpected = source.Keys.Where(k => !skipped.Contains(k) && !destination.ContainsKey(k)).ToList();
                var missing = destination.Keys.Where(k => !skipped.Contains(k) && !source.ContainsKey(k)).ToList();
                if (strict && (missing.Count > 0 || unexpected.Count > 0))
                {
                    throw new InvalidOperationException(
                        $"The loaded state_dict is not identical to the target dictionary: missing {Some(missing)}; unexpected {Some(unexpected)}.");
                }
                using var none = no_grad();
                foreach (var (key, tensor) in source)
                {
                    if (skipped.Contains(key) || !destination.TryGetValue(key, out var target)) continue;
                    if (!target.shape.AsSpan().SequenceEqual(tensor.shape))
                        throw new ArgumentException($"'{key}' has the shape [{string.Join(", ", tensor.shape)}], not [{string.Join(", ", target.shape)}].", nameof(source));
                    Op.Run("copy_", target, tensor, false);
                }
                return (missing, unexpected);
            }

            private static string Some(List<string> keys) =>
                keys.Count == 0 ? "none" : string.Join(", ", keys.Take(5)) + (keys.Count > 5 ? $" and {keys.Count - 5} more" : "");
        }
    }
}
