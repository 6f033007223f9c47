using System.Net;
using System.Net.Http.Headers;

namespace Grpc.Net.Client.Calls;

/// <summary>A request's body: frames, their length unknown beforehand.</summary>
internal abstract class RequestContent : HttpContent
{
    private static readonly MediaTypeHeaderValue GrpcMediaType = new(GrpcProtocol.ContentType);

    protected RequestContent() => Headers.ContentType = GrpcMediaType;

    /// <summary>The call is over; nobody will read what is still to be sent.</summary>
    public virtual void Abandon()
    {
    }

    protected abstract override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken);

    protected sealed override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected sealed override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}

/// <summary>One message, serialized when the connection is there; again where the transport sends the request anew.</summary>
internal sealed class UnaryContent<TRequest, TResponse>(HttpCall<TRequest, TResponse> call, TRequest request) : RequestContent
    where TRequest : class
    where TResponse : class
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        call.SendUnaryAsync(stream, request, cancellationToken);
}

/// <summary>A body that the call's writer fills, open until the caller completes it or the call ends.</summary>
internal sealed class StreamingContent : RequestContent
{
    private readonly TaskCompletionSource<Stream> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The body's stream, once the connection is there; cancelled where the call ends before.</summary>
    public Task<Stream> Opened => _opened.Task;

    /// <summary>No frame follows.</summary>
    public void Close() => _closed.TrySetResult();

    public override void Abandon()
    {
        _opened.TrySetCanceled();
        _closed.TrySetResult();
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The head leaves now, not with the first message: the server may answer before there is one.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        _opened.TrySetResult(stream);
        await _closed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
