using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    public static DisposeScope? CurrentDisposeScope => DisposeScopeManager.OfThread.Current;

    public static unsafe string __version__ { get; } = Marshal.PtrToStringUTF8((nint)Native.mesh_version())!;

    /// <summary>A new innermost dispose scope of this thread.</summary>
    public static DisposeScope NewDisposeScope() => DisposeScopeManager.OfThread.Enter();

    /// <summary>Runs an expression in a dispose scope of its own; only its result leaves it.</summary>
    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using var scope = NewDisposeScope();
        return expr().MoveToOuterDisposeScope();
    }

    /// <summary>No operator until disposal is recorded for autograd, on this thread.</summary>
    public static IDisposable no_grad() => new GradMode(false);

    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);
    public static IDisposable set_grad_enabled(bool mode = true) => new GradMode(mode);

    /// <summary>As <see cref="no_grad"/>, and dearer book-keeping is left out too: what is made here can never enter autograd.</summary>
    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);

    public static bool is_grad_enabled() => Native.mesh_grad_enabled() != 0;
    public static bool is_inference_mode_enabled() => Native.mesh_inference_enabled() != 0;

    /// <summary>Seeds the shared generator of every device.</summary>
    public static Generator manual_seed(long seed)
    {
        Native.Check(Native.mesh_manual_seed(unchecked((ulong)seed)));
        return Generator.Default;
    }

    public static long initial_seed()
    {
        using var shared = Generator.Default;
        return shared.initial_seed();
    }

    public static long seed()
    {
        var fresh = System.Random.Shared.NextInt64();
        using var shared = manual_seed(fresh);
        return fresh;
    }

    public static Tensor get_rng_state()
    {
        using var shared = Generator.Default;
        return shared.get_state();
    }

    public static void set_rng_state(Tensor new_state)
    {
        using var shared = Generator.Default;
        shared.set_state(new_state);
    }

    public static int get_num_threads() => Native.mesh_threads();
    public static void set_num_threads(int num) => Native.Check(Native.mesh_set_threads(num));
    public static int get_num_interop_threads() => Native.mesh_interop_threads();

    /// <summary>Possible once, before the first use of those threads.</summary>
    public static void set_num_interop_threads(int num) => Native.Check(Native.mesh_set_interop_threads(num));

    public static bool cuda_is_available() => cuda.is_available();

    public static bool TryInitializeDeviceType(DeviceType deviceType) => deviceType switch
    {
        DeviceType.CPU or DeviceType.META => true,
        DeviceType.CUDA => cuda.is_available(),
        _ => false,
    };

    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (!TryInitializeDeviceType(deviceType)) throw new InvalidOperationException($"Torch device type {deviceType} did not initialise on the current machine.");
    }

    public static Device InitializeDevice(Device? device)
    {
        var chosen = device ?? get_default_device();
        InitializeDeviceType(chosen.type);
        return chosen;
    }

    public static class random
    {
        public static Generator manual_seed(long seed) => torch.manual_seed(seed);
        public static long initial_seed() => torch.initial_seed();
        public static long seed() => torch.seed();
        public static Tensor get_rng_state() => torch.get_rng_state();
        public static void set_rng_state(Tensor new_state) => torch.set_rng_state(new_state);
    }

    public static class cuda
    {
        public static bool is_available() => Native.mesh_cuda_available() != 0;
        public static bool is_cudnn_available() => Native.mesh_cudnn_available() != 0;
        public static int device_count() => Native.mesh_cuda_count();
        public static void manual_seed(long seed) => Native.Check(Native.mesh_cuda_manual_seed(unchecked((ulong)seed), 0));
        public static void manual_seed_all(long seed) => Native.Check(Native.mesh_cuda_manual_seed(unchecked((ulong)seed), 1));

        /// <summary>Waits until a device has finished all that it was given.</summary>
        public static void synchronize(Device? device = null) => Native.Check(Native.mesh_cuda_synchronize(device?.index ?? -1));
    }

    public static class backends
    {
        public static class cuda
        {
            public static class matmul
            {
                public static bool allow_tf32
                {
                    get => Native.mesh_switch(0, -1) != 0;
                    set => Native.Check(Native.mesh_switch(0, value ? 1 : 0));
                }
            }
        }

        public static class cudnn
        {
            public static bool allow_tf32
            {
                get => Native.mesh_switch(1, -1) != 0;
                set => Native.Check(Native.mesh_switch(1, value ? 1 : 0));
            }
        }
    }

    private sealed class GradMode : IDisposable
    {
        private readonly int _before = Native.mesh_grad_enabled();

        internal GradMode(bool enabled) => Native.mesh_set_grad_enabled(enabled ? 1 : 0);

        public void Dispose() => Native.mesh_set_grad_enabled(_before);
    }

    private sealed class InferenceMode(bool mode) : IDisposable
    {
        private nint _guard = Native.mesh_inference_enter(mode ? 1 : 0);

        public void Dispose()
        {
            var guard = Interlocked.Exchange(ref _guard, 0);
            if (guard != 0) Native.mesh_inference_leave(guard);
        }
    }
}
