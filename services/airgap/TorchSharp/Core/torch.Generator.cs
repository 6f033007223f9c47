namespace TorchSharp;

public static partial class torch
{
    /// <summary>A stream of random numbers of its own, on one device: the same seed gives the same numbers as PyTorch does.</summary>
    public class Generator : IDisposable
    {
        private nint _handle;

        /// <param name="seed">where the stream starts</param>
        /// <param name="device">the CPU by default</param>
        public Generator(ulong seed = 0, Device? device = null)
            : this(device ?? CPU, Native.Defined(Native.mesh_generator_new(seed, (int)(device ?? CPU).type, (device ?? CPU).index)))
        {
        }

        private Generator(Device device, nint handle)
        {
            this.device = device;
            _handle = handle;
        }

        ~Generator() => Dispose(false);

        /// <summary>The CPU's shared generator, which operators without one of their own draw from.</summary>
        public static Generator Default => new(CPU, Native.Defined(Native.mesh_generator_default((int)DeviceType.CPU, -1)));

        public Device device { get; }

        public nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(Generator));

        public Generator manual_seed(long seed)
        {
            Native.Check(Native.mesh_generator_seed(Handle, unchecked((ulong)seed)));
            GC.KeepAlive(this);
            return this;
        }

        public long initial_seed()
        {
            var seed = unchecked((long)Native.mesh_generator_initial_seed(Handle));
            GC.KeepAlive(this);
            return seed;
        }

        /// <summary>Starts anew from an unpredictable seed, which is returned.</summary>
        public long seed()
        {
            var fresh = Random.Shared.NextInt64();
            manual_seed(fresh);
            return fresh;
        }

        public Tensor get_state()
        {
            var state = Tensor.Wrap(Native.Defined(Native.mesh_generator_state(Handle)))!;
            GC.KeepAlive(this);
            return state;
        }

        public void set_state(Tensor value)
        {
            Native.Check(Native.mesh_generator_set_state(Handle, value.Handle));
            GC.KeepAlive(this);
            GC.KeepAlive(value);
        }

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var handle = Interlocked.Exchange(ref _handle, 0);
            if (handle != 0) Native.mesh_generator_release(handle);
        }
    }
}
