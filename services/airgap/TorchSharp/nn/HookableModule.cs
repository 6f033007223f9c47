namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>A module whose calls can be watched, and their inputs and results changed.</summary>
        public abstract class HookableModule<TPreHook, TPostHook> : Module
            where TPreHook : class
            where TPostHook : class
        {
            // Null until the first hook: a call without hooks costs one comparison.
            private Dictionary<string, Delegate>? _pre;
            private Dictionary<string, Delegate>? _post;
            private int _next;

            protected HookableModule(string name)
                : base(name)
            {
            }

            internal bool HasHooks => _pre is not null || _post is not null;

            public HookRemover register_forward_hook(TPostHook hook) => Add(ref _post, (Delegate)(object)hook);

            public HookRemover register_forward_hook(Action<Module> hook) => Add(ref _post, hook);

            public HookRemover register_forward_pre_hook(TPreHook hook) => Add(ref _pre, (Delegate)(object)hook);

            public HookRemover register_forward_pre_hook(Action<Module> hook) => Add(ref _pre, hook);

            /// <summary>The hooks to run before the call, in the order of registration; those that only watch have run.</summary>
            private protected IEnumerable<TPreHook> PreHooks() => Hooks<TPreHook>(_pre);

            /// <summary>The hooks to run after the call, in the order of registration; those that only watch have run.</summary>
            private protected IEnumerable<TPostHook> PostHooks() => Hooks<TPostHook>(_post);

            private List<T> Hooks<T>(Dictionary<string, Delegate>? hooks)
                where T : class
            {
                var found = new List<T>();
                foreach (var hook in hooks?.Values.ToList() ?? [])
                {
                    if (hook is Action<Module> watch) watch(this);
                    else if ((object)hook is T change) found.Add(change);
                }
                return found;
            }

            private HookRemover Add(ref Dictionary<string, Delegate>? hooks, Delegate hook)
            {
                ArgumentNullException.ThrowIfNull(hook);
                var key = (_next++).ToString(System.Globalization.CultureInfo.InvariantCulture);
                // A copy, so that a call in progress on another thread goes on with the hooks that it began with.
                hooks = new Dictionary<string, Delegate>(hooks ?? []) { [key] = hook };
                return new HookRemover(this, key);
            }

            private void Remove(string key)
            {
                _pre = Without(_pre, key);
                _post = Without(_post, key);
            }

            private static Dictionary<string, Delegate>? Without(Dictionary<string, Delegate>? hooks, string key)
            {
                if (hooks is null || !hooks.ContainsKey(key)) return hooks;
                var rest = new Dictionary<string, Delegate>(hooks);
                rest.Remove(key);
                return rest.Count == 0 ? null : rest;
            }

            /// <summary>Takes a hook away again.</summary>
            public sealed class HookRemover
            {
                private readonly HookableModule<TPreHook, TPostHook> _module;
                private readonly string _key;

                public HookRemover(HookableModule<TPreHook, TPostHook> module, string key)
                {
                    _module = module;
                    _key = key;
                }

                public void remove() => _module.Remove(_key);
            }
        }
    }
}
