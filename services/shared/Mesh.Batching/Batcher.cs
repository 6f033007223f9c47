namespace Mesh.Batching;

/// <summary>
/// The queue before one device. Items wait until the device is free; only then a batch is formed, of the oldest item that is still
/// wanted and of those behind it that have its key. One thread runs all batches; callers go on elsewhere, each as soon as its own item is done.
/// </summary>
/// <typeparam name="TKey">What items must have in common to share a batch.</typeparam>
/// <typeparam name="TItem">The work.</typeparam>
/// <typeparam name="TResult">What the device makes of one item.</typeparam>
public sealed partial class Batcher<TKey, TItem, TResult> : IAsyncDisposable
    where TKey : IEquatable<TKey>
{
    /// <summary>Runs one batch on the device's thread. What it throws fails the items that have not ended by then.</summary>
    /// <param name="key">What the items have in common.</param>
    /// <param name="batch">At least one item, at most <see cref="BatcherOptions.MaxBatch"/>; takes each one's result as soon as it is there.</param>
    public delegate void Process(TKey key, IBatch<TItem, TResult> batch);

    private static readonly TimeSpan LeastRetry = TimeSpan.FromMilliseconds(10);

    private readonly BatcherOptions _options;
    private readonly Process _process;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly LinkedList<Pending<TKey, TItem, TResult>> _waiting = [];
    private readonly Queue<Action> _jobs = [];
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _abandon = new();
    private Counters _counters;
    private RunningBatch? _running;
    private bool _draining;
    private bool _disposed;

    /// <param name="options">Limits.</param>
    /// <param name="process">What runs a batch; called on one thread only.</param>
    /// <param name="name">The thread's name.</param>
    /// <param name="time">The clock; the system's where null.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public Batcher(BatcherOptions options, Process process, string name, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(process);
        options.Validate();
        _options = options;
        _process = process;
        _time = time ?? TimeProvider.System;
        new Thread(RunAll) { IsBackground = true, Name = name }.Start();
    }

    /// <summary>What batches have cost so far.</summary>
    public BatchCosts Costs { get; } = new();

    /// <summary>The counters, read at one moment.</summary>
    public BatcherStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                var c = _counters;
                return new(_waiting.Count, c.Running, c.Completed, c.Failed, c.Cancelled, c.Expired, c.Refused, c.Batches, c.Busy, c.Wasted);
            }
        }
    }

    /// <summary>Queues an item, or refuses it at once.</summary>
    /// <param name="key">What it must share with the others of its batch.</param>
    /// <param name="item">The work.</param>
    /// <param name="deadline">When the result is of no use any more; null where it always is.</param>
    /// <param name="cancel">Ends the returned task at once; an item that still waits is then never run.</param>
    /// <exception cref="QueueFullException"><see cref="BatcherOptions.MaxQueue"/> items wait already.</exception>
    /// <exception cref="DrainingException">The batcher is being disposed.</exception>
    /// <exception cref="ExpiredException">The deadline passed before the item's batch was formed, or its turn in the batch came (by the returned task).</exception>
    public Task<BatchResult<TResult>> SubmitAsync(TKey key, TItem item, DateTimeOffset? deadline, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
        {
            lock (_gate)
            {
                if (deadline <= _time.GetUtcNow()) _counters.Expired++;
                else _counters.Cancelled++;
            }
            throw new OperationCanceledException(cancel);
        }
        var pending = new Pending<TKey, TItem, TResult>(key, item, _time.GetTimestamp(), deadline, cancel);
        LinkedListNode<Pending<TKey, TItem, TResult>> node;
        lock (_gate)
        {
            if (_draining) throw new DrainingException();
            if (_waiting.Count >= _options.MaxQueue)
            {
                _counters.Refused++;
                throw new QueueFullException(_waiting.Count, RetryAfter());
            }
            node = _waiting.AddLast(pending);
        }
        pending.ObserveCancel(() => OnCancelled(node));
        _arrived.Release();
        return pending.Result;
    }

    /// <summary>Runs something else on the device's thread, before what waits; it counts in no statistics.</summary>
    /// <param name="job">What to run. What it throws, the returned task throws.</param>
    /// <exception cref="DrainingException">The batcher is being disposed.</exception>
    public Task<T> InvokeAsync<T>(Func<T> job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var promise = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_draining) throw new DrainingException();
            _jobs.Enqueue(() => Invoke(job, promise));
        }
        _arrived.Release();
        return promise.Task;
    }

    /// <summary>Takes nothing new, finishes what waits, and returns when the device's thread has ended.</summary>
    /// <param name="abandon">Cancelling it fails what still waits with <see cref="DrainingException"/> and tells the running batch to stop.</param>
    public async Task DrainAsync(CancellationToken abandon)
    {
        lock (_gate) _draining = true;
        _arrived.Release();
        using var registration = abandon.UnsafeRegister(static x => ((CancellationTokenSource)x!).Cancel(), _abandon);
        await _stopped.Task.ConfigureAwait(false);
    }

    /// <summary>Abandons what waits, lets the running batch end, and stops the device's thread.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await DrainAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        _arrived.Dispose();
        _abandon.Dispose();
    }

    private TimeSpan RetryAfter()
    {
        var batches = (_waiting.Count + _options.MaxBatch - 1) / _options.MaxBatch;
        var each = Costs.Estimate(_options.MaxBatch) ?? LeastRetry;
        return each * batches is var all && all > LeastRetry ? all : LeastRetry;
    }

    private void OnCancelled(LinkedListNode<Pending<TKey, TItem, TResult>> node)
    {
        lock (_gate)
        {
            var waits = node.List is not null || _running is null || _running.IsAwaitedBy(node.Value);
            if (waits && node.Value.Deadline <= _time.GetUtcNow()) _counters.Expired++;
            else _counters.Cancelled++;
            if (node.List is not null) _waiting.Remove(node);
            else _running?.StopIfUnwanted();
        }
    }

    private void RunAll()
    {
        while (true)
        {
            _arrived.Wait();
            if (NextJob() is { } job)
            {
                job();
            }
            else
            {
                using var batch = FormBatch();
                batch?.Run();
            }
            lock (_gate)
            {
                if (_draining && _waiting.Count == 0 && _jobs.Count == 0) break;
                if (_jobs.Count > 0) _arrived.Release(); // waiting for a batch to fill may have taken its signal
            }
        }
        _stopped.SetResult();
    }

    private Action? NextJob()
    {
        lock (_gate) return _jobs.TryDequeue(out var job) ? job : null;
    }

    private static void Invoke<T>(Func<T> job, TaskCompletionSource<T> promise)
    {
        try
        {
            promise.SetResult(job());
        }
#pragma warning disable CA1031 // Whatever it threw is its caller's, not the device thread's, which must go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            promise.SetException(e);
        }
    }

    /// <summary>The oldest wanted item and those that fit it, or null where nobody wants anything.</summary>
    private RunningBatch? FormBatch()
    {
        WaitForMore();
        List<Pending<TKey, TItem, TResult>> left = [], batch = [];
        bool abandoned;
        lock (_gate)
        {
            abandoned = _abandon.IsCancellationRequested;
            var now = _time.GetUtcNow();
            for (var node = _waiting.First; node is not null && batch.Count < _options.MaxBatch;)
            {
                var (next, pending) = (node.Next, node.Value);
                var late = pending.Deadline <= now;
                if (abandoned || late || batch.Count == 0 || pending.Key.Equals(batch[0].Key))
                {
                    _waiting.Remove(node);
                    if (pending.IsWanted) (abandoned || late ? left : batch).Add(pending);
                }
                node = next;
            }
            if (batch.Count > 0) _running = new(this, batch);
            _counters.Running = batch.Count;
            if (_waiting.Count > 0) _arrived.Release();
        }
        foreach (var pending in left.Where(x => x.TryClaim()))
        {
            lock (_gate)
            {
                if (abandoned) _counters.Failed++;
                else _counters.Expired++;
            }
            pending.SetException(abandoned ? new DrainingException() : Expired(pending));
        }
        return batch.Count > 0 ? _running : null;
    }

    private ExpiredException Expired(Pending<TKey, TItem, TResult> pending) => new(_time.GetElapsedTime(pending.Submitted));

    /// <summary>Gives a batch that is not full its <see cref="BatcherOptions.MaxDelay"/>.</summary>
    private void WaitForMore()
    {
        if (_options.MaxDelay == TimeSpan.Zero) return;
        using var over = new CancellationTokenSource(_options.MaxDelay, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, _abandon.Token);
        try
        {
            while (true)
            {
                lock (_gate)
                {
                    if (_draining || _waiting.Count == 0 || _waiting.Count >= _options.MaxBatch) return;
                }
                _arrived.Wait(either.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The delay is over: what there is goes.
        }
    }

    private struct Counters
    {
        public int Running;
        public long Completed, Failed, Cancelled, Expired, Refused, Batches;
        public TimeSpan Busy, Wasted;
    }
}
