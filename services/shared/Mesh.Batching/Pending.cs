namespace Mesh.Batching;

/// <summary>One submitted item and the promise of its result.</summary>
internal sealed class Pending<TKey, TItem, TResult>(TKey key, TItem item, long submitted, DateTimeOffset? deadline, CancellationToken cancel)
{
    private readonly TaskCompletionSource<BatchResult<TResult>> _promise = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;

    public TKey Key { get; } = key;

    public TItem Item { get; } = item;

    public long Submitted { get; } = submitted;

    public DateTimeOffset? Deadline { get; } = deadline;

    public Task<BatchResult<TResult>> Result => _promise.Task;

    public bool IsWanted => !_promise.Task.IsCompleted;

    /// <summary>Ends the promise as soon as the caller cancels, wherever the item is by then.</summary>
    public void ObserveCancel(Action cancelled) => _registration = cancel.UnsafeRegister(
        static (state, token) =>
        {
            var (self, told) = ((Pending<TKey, TItem, TResult>, Action))state!;
            if (self._promise.TrySetCanceled(token)) told();
        },
        (this, cancelled));

    public bool TrySetResult(BatchResult<TResult> result) => Close(_promise.TrySetResult(result));

    public bool TrySetException(Exception fault) => Close(_promise.TrySetException(fault));

    private bool Close(bool won)
    {
        _registration.Dispose();
        return won;
    }
}
