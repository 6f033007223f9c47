using System.Threading.Channels;
using Grpc.Core;

namespace Mesh.Gateway.Stages;

/// <summary>
/// One open stream to one replica, shared by all pieces of work that it has. When it ends, every piece that was not answered
/// fails with <see cref="ReplicaLostException"/>.
/// </summary>
internal sealed class WorkStream<TRequest, TResponse> : IAsyncDisposable
    where TRequest : class
    where TResponse : class
{
    private readonly StageProtocol<TRequest, TResponse> _protocol;
    private readonly string _address;
    private readonly AsyncDuplexStreamingCall<TRequest, TResponse> _call;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<TRequest> _outgoing = Channel.CreateUnbounded<TRequest>(new() { SingleReader = true });
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Channel<TResponse>> _items = [];
    private ReplicaLostException? _fault;
    private long _lastId;

    public WorkStream(StageProtocol<TRequest, TResponse> protocol, string address, CallInvoker calls)
    {
        _protocol = protocol;
        _address = address;
        _call = protocol.Open(calls, new CallOptions(cancellationToken: _stop.Token));
        Ended = RunAsync();
    }

    /// <summary>Ends, without a fault of its own, once the stream has.</summary>
    public Task<ReplicaLostException> Ended { get; }

    public bool IsOpen
    {
        get { lock (_gate) return _fault is null; }
    }

    /// <summary>Sends a piece of work.</summary>
    /// <exception cref="ReplicaLostException">The stream has ended.</exception>
    public Work Begin(TRequest work, long timeoutUs, string traceparent)
    {
        var answers = Channel.CreateUnbounded<TResponse>(new() { SingleReader = true, SingleWriter = true });
        long id;
        lock (_gate)
        {
            if (_fault is not null) throw new ReplicaLostException(_address, "is gone", _fault);
            _items[id = ++_lastId] = answers;
        }
        _outgoing.Writer.TryWrite(_protocol.Address(work, new(id, timeoutUs, traceparent)));
        return new(this, id, answers.Reader);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Ended.ConfigureAwait(false);
        _call.Dispose();
        _stop.Dispose();
    }

    /// <summary>Breaks the stream although the other side has not: what it has counts as lost.</summary>
    public void Break() => _stop.Cancel();

    private async Task<ReplicaLostException> RunAsync()
    {
        await Task.Yield();
        var sending = SendAsync();
        var fault = await ReceiveAsync().ConfigureAwait(false);
        Channel<TResponse>[] left;
        lock (_gate)
        {
            _fault = fault;
            left = [.. _items.Values];
            _items.Clear();
        }
        foreach (var item in left) item.Writer.TryComplete(fault);
        _outgoing.Writer.TryComplete();
        await sending.ConfigureAwait(false);
        return fault;
    }

    private async Task<ReplicaLostException> ReceiveAsync()
    {
        try
        {
            while (await _call.ResponseStream.MoveNext(CancellationToken.None).ConfigureAwait(false)) Pass(_call.ResponseStream.Current);
            return new(_address, "closed the stream");
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            return new(_address, "was lost", e);
        }
    }

    private void Pass(TResponse answer)
    {
        var id = _protocol.IdOf(answer);
        var last = _protocol.FailureOf(answer) is not null || _protocol.IsLast(answer);
        Channel<TResponse>? item;
        lock (_gate)
        {
            // One that is not known any more was cancelled while its answer was on the way.
            if (!_items.TryGetValue(id, out item)) return;
            if (last) _items.Remove(id);
        }
        item.Writer.TryWrite(answer);
        if (last) item.Writer.TryComplete();
    }

    private async Task SendAsync()
    {
        try
        {
            await foreach (var request in _outgoing.Reader.ReadAllAsync().ConfigureAwait(false))
                await _call.RequestStream.WriteAsync(request).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or InvalidOperationException or IOException or ObjectDisposedException)
        {
            // The receiving side ends by the same cause and tells whoever waits; if only sending broke, it is made to end.
            await _stop.CancelAsync().ConfigureAwait(false);
        }
    }

    private void End(long id)
    {
        lock (_gate)
        {
            if (!_items.Remove(id)) return;
        }
        _outgoing.Writer.TryWrite(_protocol.Cancel(id));
    }

    /// <summary>A piece of work on its way. Disposing it before its last answer takes it back.</summary>
    public readonly struct Work(WorkStream<TRequest, TResponse> stream, long id, ChannelReader<TResponse> answers) : IDisposable
    {
        /// <summary>The next answer.</summary>
        /// <exception cref="ReplicaLostException">The stream ended first.</exception>
        public async ValueTask<TResponse> NextAsync(CancellationToken cancel)
        {
            try
            {
                return await answers.ReadAsync(cancel).ConfigureAwait(false);
            }
            catch (ChannelClosedException e) when (e.InnerException is ReplicaLostException lost)
            {
                throw new ReplicaLostException(lost.Address, "was lost before it answered", lost);
            }
        }

        public void Dispose() => stream.End(id);
    }
}
