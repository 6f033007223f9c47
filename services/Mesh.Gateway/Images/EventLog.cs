using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Mesh.Gateway.Images;

/// <summary>
/// The events of one run between those who make them and those who read them. While it keeps all, whoever comes later reads from the
/// first one; otherwise what everybody has read is let go, and makers wait while too much is unread.
/// </summary>
/// <param name="keepBytes">How much is kept; when it is passed, keeping ends. 0: nothing is.</param>
/// <param name="aheadBytes">How far makers may be ahead of the slowest reader where nothing is kept.</param>
/// <param name="bytesOf">The size of an event.</param>
internal sealed class EventLog<T>(long keepBytes, long aheadBytes, Func<T, int> bytesOf)
{
    private const int MostGone = 256;

    private readonly Lock _gate = new();
    private readonly LinkedList<Reader> _readers = [];
    private readonly List<(T Event, int Bytes)> _events = [];
    private TaskCompletionSource _changed = New();
    private long _first;
    private int _gone;
    private long _bytes;
    private bool _ended;
    private Exception? _fault;

    /// <summary>Whether every event since the first is still here.</summary>
    public bool KeepsAll { get; private set; } = keepBytes > 0;

    /// <summary>Bytes held now.</summary>
    public long Bytes
    {
        get { lock (_gate) return _bytes; }
    }

    /// <summary>Adds an event, waiting for readers where they are too far behind.</summary>
    public async ValueTask AddAsync(T item, CancellationToken cancel)
    {
        var bytes = bytesOf(item);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (KeepsAll && _bytes + bytes > keepBytes) StopKeeping();
                if (KeepsAll || _bytes == 0 || _bytes + bytes <= aheadBytes)
                {
                    _events.Add((item, bytes));
                    _bytes += bytes;
                    Signal();
                    return;
                }
                changed = _changed.Task;
            }
            await changed.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Says that nothing follows; readers get the fault after the last event.</summary>
    public void End(Exception? fault = null)
    {
        lock (_gate)
        {
            (_ended, _fault) = (true, fault);
            Signal();
        }
    }

    /// <summary>A reader from the first event on; null where that is gone.</summary>
    public Reader? TryRead()
    {
        lock (_gate)
        {
            if (_first > 0) return null;
            var reader = new Reader(this);
            _readers.AddLast(reader);
            return reader;
        }
    }

    /// <summary>Everything so far; null where something is gone.</summary>
    public IReadOnlyList<T>? All()
    {
        lock (_gate) return KeepsAll ? [.. _events.Skip(_gone).Select(x => x.Event)] : null;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void StopKeeping()
    {
        KeepsAll = false;
        Drop();
    }

    private void Drop()
    {
        if (KeepsAll) return;
        var least = _readers.Count > 0 ? _readers.Min(x => x.Next) : long.MaxValue;
        for (; _first < least && _gone < _events.Count; _first++, _gone++)
        {
            _bytes -= _events[_gone].Bytes;
            _events[_gone] = default;
        }
        if (_gone < MostGone) return;
        _events.RemoveRange(0, _gone);
        _gone = 0;
    }

    private void Signal()
    {
        var old = _changed;
        _changed = New();
        old.SetResult();
    }

    /// <summary>One reader. Disposing it lets others, and the makers, go on without it.</summary>
    public sealed class Reader(EventLog<T> log) : IDisposable
    {
        internal long Next { get; private set; }

        public async IAsyncEnumerable<T> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
        {
            while (true)
            {
                T item;
                Task? changed = null;
                lock (log._gate)
                {
                    if (log._gone + (int)(Next - log._first) is var at && at < log._events.Count)
                    {
                        item = log._events[at].Event;
                        Next++;
                        if (!log.KeepsAll)
                        {
                            log.Drop();
                            log.Signal();
                        }
                    }
                    else if (log._ended)
                    {
                        if (log._fault is { } fault) ExceptionDispatchInfo.Throw(fault);
                        yield break;
                    }
                    else
                    {
                        item = default!;
                        changed = log._changed.Task;
                    }
                }
                if (changed is null) yield return item;
                else await changed.WaitAsync(cancel).ConfigureAwait(false);
            }
        }

        public void Dispose()
        {
            lock (log._gate)
            {
                if (!log._readers.Remove(this)) return;
                log.Drop();
                log.Signal();
            }
        }
    }
}
