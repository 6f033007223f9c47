namespace Mesh.Batching;

/// <summary>The batch on the device: who is told what, and when.</summary>
public sealed partial class Batcher<TKey, TItem, TResult>
{
    private enum Phase
    {
        Waits,
        Runs,
        Computed,
        Failed,
        Skipped,
    }

    /// <summary>One batch from its forming to its end. What other threads look at is guarded by the batcher's lock.</summary>
    private sealed class RunningBatch : IBatch<TItem, TResult>, IDisposable
    {
        private readonly Batcher<TKey, TItem, TResult> _owner;
        private readonly List<Pending<TKey, TItem, TResult>> _pending;
        private readonly Place[] _places;
        private readonly CancellationTokenSource _unwanted;
        private long _started;
        private int _left;
        private bool _takesTurns;
        private Action? _tellLast;

        public RunningBatch(Batcher<TKey, TItem, TResult> owner, List<Pending<TKey, TItem, TResult>> pending)
        {
            (_owner, _pending, _places, _left) = (owner, pending, new Place[pending.Count], pending.Count);
            _unwanted = CancellationTokenSource.CreateLinkedTokenSource(owner._abandon.Token);
            Items = [.. pending.Select(x => x.Item)];
            Unwanted = _unwanted.Token;
        }

        public IReadOnlyList<TItem> Items { get; }

        public CancellationToken Unwanted { get; }

        /// <summary>Whether this item of the batch has not had its turn. Under the lock.</summary>
        public bool IsAwaitedBy(Pending<TKey, TItem, TResult> pending) => _takesTurns && !pending.HadItsTurn;

        /// <summary>Tells the device to stop where nobody wants what is left. Under the lock.</summary>
        public void StopIfUnwanted()
        {
            if (_pending.TrueForAll(x => !x.IsWanted)) _unwanted.Cancel();
        }

        public void Run()
        {
            _started = _owner._time.GetTimestamp();
            Exception? fault = null;
            try
            {
                _owner._process(_pending[0].Key, this);
            }
#pragma warning disable CA1031 // Whatever the batch threw is its callers', not the device thread's, which must go on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                fault = e;
            }
            End(fault);
        }

        public bool Begin(int index)
        {
            if (_places[index].Phase != Phase.Waits) throw new InvalidOperationException($"Item {index} of the batch has had its turn.");
            var pending = _pending[index];
            var late = pending.Deadline <= _owner._time.GetUtcNow();
            bool skipped;
            lock (_owner._gate)
            {
                _takesTurns = true;
                skipped = late || !pending.IsWanted;
                pending.HadItsTurn = !skipped;
            }
            if (!skipped)
            {
                _places[index] = new() { Phase = Phase.Runs, Began = _owner._time.GetTimestamp() };
                return true;
            }
            var closed = Close(index, Phase.Skipped, ref _owner._counters.Expired);
            if (closed) Tell(() => pending.SetException(_owner.Expired(pending)));
            return false;
        }

        public void Complete(int index, TResult result)
        {
            var pending = _pending[index];
            var (began, ended) = (TurnOf(index), _owner._time.GetTimestamp());
            if (!Close(index, Phase.Computed, ref _owner._counters.Completed)) return;
            var time = _owner._time;
            var done = new BatchResult<TResult>(result, time.GetElapsedTime(pending.Submitted, began), time.GetElapsedTime(began, ended), _pending.Count);
            Tell(() => pending.SetResult(done));
        }

        public void Fail(int index, Exception fault)
        {
            ArgumentNullException.ThrowIfNull(fault);
            var pending = _pending[index];
            if (Close(index, Phase.Failed, ref _owner._counters.Failed)) Tell(() => pending.SetException(fault));
        }

        public void Dispose() => _unwanted.Dispose();

        /// <summary>When an item's turn began; the batch's start where the items have no turns.</summary>
        private long TurnOf(int index) => _places[index].Phase == Phase.Runs ? _places[index].Began : _started;

        /// <summary>Ends an item, and counts that where somebody wants to be told.</summary>
        private bool Close(int index, Phase phase, ref long counter)
        {
            ref var place = ref _places[index];
            if (place.Phase is not (Phase.Waits or Phase.Runs)) throw new InvalidOperationException($"Item {index} of the batch has ended before.");
            if (place.Phase == Phase.Runs) place.Own = _owner._time.GetElapsedTime(place.Began);
            var told = _pending[index].TryClaim();
            (place.Phase, place.Wasted) = (phase, !told && phase != Phase.Skipped);
            _left--;
            lock (_owner._gate)
            {
                _owner._counters.Running--;
                if (told) counter++;
            }
            return told;
        }

        /// <summary>Tells a caller. The last of a batch hears it when the batch's own numbers are counted.</summary>
        private void Tell(Action tell)
        {
            if (_left == 0) _tellLast = tell;
            else tell();
        }

        private void End(Exception? fault)
        {
            List<Pending<TKey, TItem, TResult>> failed = [];
            for (var i = 0; i < _places.Length; i++)
            {
                if (_places[i].Phase is Phase.Waits or Phase.Runs && Close(i, Phase.Failed, ref _owner._counters.Failed)) failed.Add(_pending[i]);
            }
            var elapsed = _owner._time.GetElapsedTime(_started);
            lock (_owner._gate)
            {
                _owner._running = null;
                _owner._counters.Batches++;
                _owner._counters.Busy += elapsed;
                _owner._counters.Wasted += Wasted(elapsed);
            }
            var computed = _places.Count(x => x.Phase == Phase.Computed);
            if (computed > 0 && Array.TrueForAll(_places, x => x.Phase is Phase.Computed or Phase.Skipped)) _owner.Costs.Add(computed, elapsed);
            foreach (var pending in failed) pending.SetException(fault ?? new InvalidOperationException("The batch ended without a result for an item."));
            _tellLast?.Invoke();
        }

        /// <summary>The own time of what nobody wanted in the end, and its share of what the batch did for all.</summary>
        private TimeSpan Wasted(TimeSpan elapsed)
        {
            var shared = elapsed;
            foreach (var place in _places) shared -= place.Own;
            var wasted = TimeSpan.Zero;
            foreach (var place in _places.Where(x => x.Wasted)) wasted += place.Own + shared / _places.Length;
            return wasted;
        }

        private struct Place
        {
            public Phase Phase;
            public long Began;
            public TimeSpan Own;
            public bool Wasted;
        }
    }
}
