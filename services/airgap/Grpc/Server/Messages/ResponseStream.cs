using System.IO.Pipelines;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The messages of a server streaming or duplex call, as its handler writes them.</summary>
internal sealed class ResponseStream<TResponse> : IServerStreamWriter<TResponse>
    where TResponse : class
{
    private readonly ServerCall _call;
    private readonly HttpResponse _response;
    private readonly PipeWriter _output;
    private readonly CancellationToken _aborted;
    private readonly Action<TResponse, SerializationContext> _serializer;
    private Task _pending = Task.CompletedTask;
    private int _writing;
    private volatile bool _completed;

    internal ResponseStream(ServerCall call, Action<TResponse, SerializationContext> serializer)
    {
        _call = call;
        _serializer = serializer;
        _response = call.Http.Response;
        _output = _response.BodyWriter;
        _aborted = call.Http.RequestAborted;
    }

    public WriteOptions? WriteOptions
    {
        get => _call.WriteOptions;
        set => _call.WriteOptions = value;
    }

    public Task WriteAsync(TResponse message) => WriteAsync(message, CancellationToken.None);

    /// <summary>Writes a message. A token that is cancelled ends the wait for room; the message is in the response all the same.</summary>
    public Task WriteAsync(TResponse message, CancellationToken cancellationToken)
    {
        if (message is null)
            return Task.FromException(new ArgumentNullException(nameof(message)));

        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled(cancellationToken);

        if (Interlocked.Exchange(ref _writing, 1) != 0)
            return Task.FromException(InProgress());

        try
        {
            return _pending.IsCompleted ? _pending = StartWrite(message, cancellationToken) : Task.FromException(InProgress());
        }
        catch (Exception e)
        {
            return Task.FromException(e);
        }
        finally
        {
            Volatile.Write(ref _writing, 0);
        }
    }

    internal void Complete() => _completed = true;

    private static InvalidOperationException InProgress() => new("Can't write the message because the previous write is in progress.");

    private static InvalidOperationException Ended() => new("Can't write the message because the request is complete.");

    private Task StartWrite(TResponse message, CancellationToken cancellation)
    {
        if (_completed || _aborted.IsCancellationRequested)
            throw Ended();

        if (_response.HasStarted)
            return Put(message, cancellation);

        // Headers go first: what is written before them would be copied.
        var start = _response.StartAsync(cancellation);
        return start.IsCompletedSuccessfully ? Put(message, cancellation) : PutAfterAsync(start, message, cancellation);
    }

    private async Task PutAfterAsync(Task start, TResponse message, CancellationToken cancellation)
    {
        await start.ConfigureAwait(false);
        await Put(message, cancellation).ConfigureAwait(false);
    }

    private Task Put(TResponse message, CancellationToken cancellation)
    {
        var options = _call.WriteOptions;
        if (!_call.TryWrite(_output, message, options, _serializer))
            throw Ended();

        if ((options?.Flags & WriteFlags.BufferHint) == WriteFlags.BufferHint)
            return Task.CompletedTask;

        var flush = _output.FlushAsync(cancellation);
        if (!flush.IsCompletedSuccessfully)
            return flush.AsTask();

        _ = flush.Result;
        return Task.CompletedTask;
    }
}
