using System.Net;

namespace Grpc.Net.Client.Calls;

/// <summary>A request's frames, kept so that several attempts can send them, until one attempt is chosen.</summary>
internal sealed class ReplayBuffer(RetryBudget budget)
{
    private readonly Lock _lock = new();
    private readonly List<byte[]?> _frames = [];
    private TaskCompletionSource _changed = NewSignal();
    private long _reserved;
    private int _written;
    private bool _complete;
    private bool _chosen;

    /// <summary>True once a frame did not fit the budget: what was sent can no longer be sent again in full.</summary>
    public bool Overflowed { get; private set; }

    public int Count
    {
        get
        {
            lock (_lock) return _frames.Count;
        }
    }

    public void Add(byte[] frame)
    {
        lock (_lock)
        {
            if (!_chosen && !Overflowed)
            {
                if (budget.TryReserve(frame.Length, _reserved)) _reserved += frame.Length;
                else Overflowed = true;
            }
            _frames.Add(frame);
            Signal();
        }
    }

    public void Complete()
    {
        lock (_lock)
        {
            _complete = true;
            Signal();
        }
    }

    /// <summary>One attempt is left; each frame is let go once sent.</summary>
    public void Choose()
    {
        lock (_lock)
        {
            if (_chosen) return;
            _chosen = true;
            budget.Release(_reserved);
            _reserved = 0;
        }
    }

    /// <summary>The frame at this place; or none, and whether none will come; or none yet, and what to wait for.</summary>
    public (byte[]? Frame, bool Ended, Task Changed) Look(int index)
    {
        lock (_lock)
        {
            return index < _frames.Count ? (_frames[index], false, Task.CompletedTask) : (null, _complete, _changed.Task);
        }
    }

    public void MarkWritten(int index)
    {
        lock (_lock)
        {
            _written = Math.Max(_written, index + 1);
            if (_chosen) _frames[index] = null;
            Signal();
        }
    }

    /// <summary>Completes when any attempt has sent so many frames.</summary>
    public async Task WaitWrittenAsync(int count)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_written >= count) return;
                changed = _changed.Task;
            }
            await changed.ConfigureAwait(false);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Signal()
    {
        _changed.TrySetResult();
        _changed = NewSignal();
    }
}

/// <summary>An attempt's body: the kept frames from the first on, then those that follow.</summary>
internal sealed class ReplayContent(ReplayBuffer buffer) : RequestContent
{
    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override void Abandon() => _abandoned.TrySetResult();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        for (var index = 0; !_abandoned.Task.IsCompleted;)
        {
            var (frame, ended, changed) = buffer.Look(index);
            if (frame is not null)
            {
                await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
                buffer.MarkWritten(index++);
            }
            else if (ended)
            {
                return;
            }
            else if (changed.IsCompleted)
            {
                throw new IOException("The request was let go after another attempt was chosen.");
            }
            else
            {
                await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
                await Task.WhenAny(changed, _abandoned.Task).WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
