namespace TorchSharp;

public static partial class torch
{
    /// <summary>
    /// A multi-dimensional array of one element type on one device, with its place in autograd's graph. Owns one reference to the
    /// native tensor, until disposed of: by hand, by the dispose scope it was made in, or in the end by the garbage collector.
    /// </summary>
    public partial class Tensor : IDisposable
    {
        private static long _liveCount;
        private static long _peakCount;

        private nint _handle;

        /// <summary>Takes over one reference to a native tensor, and enters the thread's innermost dispose scope.</summary>
        internal Tensor(nint handle)
        {
            _handle = handle;
            var live = Interlocked.Increment(ref _liveCount);
            if (live > Volatile.Read(ref _peakCount)) RaisePeak(live);
            OwningDisposeScope = DisposeScopeManager.OfThread.Register(this);
        }

        ~Tensor() => Dispose(false);

        /// <summary>Tensor objects that hold a native tensor now, on all threads.</summary>
        public static long TotalCount => Interlocked.Read(ref _liveCount);

        /// <summary>The most that <see cref="TotalCount"/> has been.</summary>
        public static long PeakCount => Interlocked.Read(ref _peakCount);

        /// <summary>The native tensor.</summary>
        /// <exception cref="InvalidOperationException">where it has been disposed of</exception>
        public nint Handle => _handle != 0 ? _handle : throw new InvalidOperationException("Tensor invalid -- empty handle.");

        public bool IsInvalid => _handle == 0;

        internal DisposeScope? OwningDisposeScope { get; set; }

        /// <summary>A tensor object that takes over the reference; null for the undefined tensor.</summary>
        internal static Tensor? Wrap(nint handle) => handle == 0 ? null : new Tensor(handle);

        public static Tensor UnsafeCreateTensor(nint handle) => new(handle);

        /// <summary>Gives the native reference away: this object is as if disposed of, and the caller owns what is returned.</summary>
        public nint DecoupleFromNativeHandle()
        {
            GC.SuppressFinalize(this);
            LeaveScope();
            Interlocked.Decrement(ref _liveCount);
            return Interlocked.Exchange(ref _handle, 0);
        }

        public void Dispose()
        {
            if (_handle != 0) LeaveScope();
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var handle = Interlocked.Exchange(ref _handle, 0);
            if (handle == 0) return;
            Interlocked.Decrement(ref _liveCount);
            Native.mesh_release(handle);
        }

        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter(this);
            return this;
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach(this);
            return this;
        }

        public Tensor DetatchFromDisposeScope() => DetachFromDisposeScope();

        /// <summary>Moves to the scope that holds another tensor.</summary>
        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveTo(other.OwningDisposeScope);

        public Tensor MoveToOtherDisposeScope(DisposeScope other) => MoveTo(other);

        /// <summary>Another object for the same native tensor.</summary>
        public Tensor alias() => Op.Call("alias", this);

        /// <summary>A second object that shares the very same native tensor, autograd state included.</summary>
        internal Tensor Share() => new(Native.mesh_retain(Handle));

        /// <summary>Adopts the native tensor of another object, which is left without one: what Parameter and module moves need.</summary>
        internal void Replace(Tensor other)
        {
            var old = Interlocked.Exchange(ref _handle, other.DecoupleFromNativeHandle());
            if (old == 0) throw new InvalidOperationException("Tensor invalid -- empty handle.");
            Native.mesh_release(old);
        }

        private Tensor MoveTo(DisposeScope? scope)
        {
            if (OwningDisposeScope is { } owner) owner.MoveToOther(scope, this);
            else scope?.Attach(this);
            return this;
        }

        private void LeaveScope()
        {
            if (OwningDisposeScope is { } scope) scope.MarkAsDisposed(this);
            else DisposeScopeManager.OfThread.Tensors.DisposedOutsideScopeCount++;
        }

        private static void RaisePeak(long live)
        {
            for (var peak = Interlocked.Read(ref _peakCount); live > peak;)
            {
                var seen = Interlocked.CompareExchange(ref _peakCount, live, peak);
                if (seen == peak) return;
                peak = seen;
            }
        }
    }
}
