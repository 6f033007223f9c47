namespace Grpc.Core;

/// <summary>How a call object reaches its transport: five functions over one state object, so that a call costs no closures.</summary>
internal readonly struct AsyncCallState(
    Func<object, Task<Metadata>> responseHeadersAsync,
    Func<object, Status> getStatusFunc,
    Func<object, Metadata> getTrailersFunc,
    Action<object> disposeAction,
    object state)
{
    public AsyncCallState(Task<Metadata> responseHeadersAsync, Func<Status> getStatusFunc, Func<Metadata> getTrailersFunc, Action disposeAction)
        : this(
            static s => ((Parts)s).Headers,
            static s => ((Parts)s).Status(),
            static s => ((Parts)s).Trailers(),
            static s => ((Parts)s).Dispose(),
            new Parts(responseHeadersAsync, getStatusFunc, getTrailersFunc, disposeAction))
    {
    }

    public Task<Metadata> ResponseHeadersAsync() => responseHeadersAsync(state);

    public Status GetStatus() => getStatusFunc(state);

    public Metadata GetTrailers() => getTrailersFunc(state);

    public void Dispose() => disposeAction(state);

    private sealed record Parts(Task<Metadata> Headers, Func<Status> Status, Func<Metadata> Trailers, Action Dispose);
}
