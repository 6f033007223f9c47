using Grpc.Core;

namespace Grpc.Net.Client.Calls;

/// <summary>A call of any shape as its caller sees it; it is its own request and response stream.</summary>
internal abstract class ClientCall<TRequest, TResponse> : IClientStreamWriter<TRequest>, IAsyncStreamReader<TResponse>, IDisposable
    where TRequest : class
    where TResponse : class
{
    private static readonly Func<object, Task<Metadata>> HeadersOf = static call => ((ClientCall<TRequest, TResponse>)call).GetResponseHeadersAsync();
    private static readonly Func<object, Status> StatusOf = static call => ((ClientCall<TRequest, TResponse>)call).GetStatus();
    private static readonly Func<object, Metadata> TrailersOf = static call => ((ClientCall<TRequest, TResponse>)call).GetTrailers();
    private static readonly Action<object> DisposeOf = static call => ((ClientCall<TRequest, TResponse>)call).Dispose();

    public WriteOptions? WriteOptions { get; set; }

    public abstract TResponse Current { get; }

    public abstract Task<bool> MoveNext(CancellationToken cancellationToken);

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public abstract Task WriteAsync(TRequest message, CancellationToken cancellationToken);

    public abstract Task CompleteAsync();

    public abstract Task<Metadata> GetResponseHeadersAsync();

    public abstract Status GetStatus();

    public abstract Metadata GetTrailers();

    public abstract void Dispose();

    public AsyncUnaryCall<TResponse> StartUnary(TRequest request) =>
        new(StartSingleResponseAsync(request), HeadersOf, StatusOf, TrailersOf, DisposeOf, this);

    public AsyncClientStreamingCall<TRequest, TResponse> StartClientStreaming() =>
        new(this, StartSingleResponseAsync(null), HeadersOf, StatusOf, TrailersOf, DisposeOf, this);

    public AsyncServerStreamingCall<TResponse> StartServerStreaming(TRequest request)
    {
        StartStreamingResponse(request);
        return new AsyncServerStreamingCall<TResponse>(this, HeadersOf, StatusOf, TrailersOf, DisposeOf, this);
    }

    public AsyncDuplexStreamingCall<TRequest, TResponse> StartDuplexStreaming()
    {
        StartStreamingResponse(null);
        return new AsyncDuplexStreamingCall<TRequest, TResponse>(this, this, HeadersOf, StatusOf, TrailersOf, DisposeOf, this);
    }

    /// <summary>Starts a call with one response; a null request means that requests are streamed.</summary>
    protected abstract Task<TResponse> StartSingleResponseAsync(TRequest? request);

    /// <summary>Starts a call with a stream of responses; a null request means that requests are streamed.</summary>
    protected abstract void StartStreamingResponse(TRequest? request);
}
