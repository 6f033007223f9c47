namespace Mesh.Batching;

/// <summary>One submitted item and the promise of its result.</summary>
internal sealed class Pending<TKey, TItem, TResult>(TKey key, TItem item, long submitted, DateTimeOffset? deadline, CancellationToken cancel)
{
    private readonly TaskCompletionSource<BatchResult<TResult>> _promise = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;
    private int _claimed;

    public TKey Key { get; } = key;

    public TItem Item { get; } = item;

    public long Submitted { get; } = submitted;

    public DateTimeOffset? Deadline { get; } = deadline;

    public Task<BatchResult<TResult>> Result => _promise.Task;

    /// <summary>Whether its batch began it. Guarded by the batcher's lock.</summary>
    public bool HadItsTurn { get; set; }

    public bool IsWanted => Volatile.Read(ref _claimed) == 0;

    /// <summary>Ends the promise as soon as the caller cancels, wherever the item is by then.</summary>
    public void ObserveCancel(Action cancelled) => _registration = cancel.UnsafeRegister(
        static (state, token) =>
        {
            var (self, told) = ((Pending<TKey, TItem, TResult>, Action))state!;
            if (!self.TryClaim()) return;
            try
            {
                told();
            }
            finally
            {
                self._promise.SetCanceled(token);
            }
        },
        (this, cancelled));

    /// <summary>The right to end the promise, given once; so that it can be counted before the caller hears of it.</summary>
    public bool TryClaim() => Interlocked.Exchange(ref _claimed, 1) == 0;

    /// <summary>Ends the promise. Only after <see cref="TryClaim"/>, and not under the batcher's lock.</summary>
    public void SetResult(BatchResult<TResult> result)
    {
        _registration.Dispose();
        _promise.SetResult(result);
    }

    /// <inheritdoc cref="SetResult"/>
    public void SetException(Exception fault)
    {
        _registration.Dispose();
        _promise.SetException(fault);
    }
}
