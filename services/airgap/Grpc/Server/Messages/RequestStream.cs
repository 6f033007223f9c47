using System.IO.Pipelines;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The messages of a client streaming or duplex call, as its handler reads them.</summary>
internal sealed class RequestStream<TRequest> : IAsyncStreamReader<TRequest>
    where TRequest : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private readonly ServerCall _call;
    private readonly PipeReader _input;
    private readonly CancellationToken _aborted;
    private readonly Func<DeserializationContext, TRequest> _deserializer;
    private volatile bool _completed;

    internal RequestStream(ServerCall call, Func<DeserializationContext, TRequest> deserializer)
    {
        _call = call;
        _deserializer = deserializer;

        // Taken now: the server's own objects belong to another request once this one has ended.
        _input = call.Http.Request.BodyReader;
        _aborted = call.Http.RequestAborted;
    }

    public TRequest Current { get; private set; } = null!;

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<bool>(cancellationToken);

        if (_completed || _aborted.IsCancellationRequested)
            return Task.FromException<bool>(new InvalidOperationException("Can't read messages after the request is complete."));

        // A long wait for the next message does not keep the last one alive.
        Current = null!;
        var next = MessageReader.ReadNextAsync(_input, _call, _deserializer, cancellationToken);
        if (!next.IsCompletedSuccessfully)
            return AwaitAsync(next);

        Current = next.Result!;
        return Current is null ? False : True;
    }

    internal void Complete() => _completed = true;

    private async Task<bool> AwaitAsync(ValueTask<TRequest?> next)
    {
        Current = (await next.ConfigureAwait(false))!;
        return Current is not null;
    }
}
