using Grpc.Core;
using Grpc.Net.Client.Framing;

namespace Grpc.Net.Client.Calls;

/// <summary>A call that may take several attempts. The chosen one is what the caller sees: the first whose response begins, or the last to fail.</summary>
internal sealed partial class RetriableCall<TRequest, TResponse> : ClientCall<TRequest, TResponse>
    where TRequest : class
    where TResponse : class
{
    private readonly GrpcChannel _channel;
    private readonly Method<TRequest, TResponse> _method;
    private readonly MethodEntry _entry;
    private readonly string? _host;
    private readonly CallOptions _options;
    private readonly AttemptPolicy _policy;
    private readonly RetryThrottle? _throttle;
    private readonly ReplayBuffer _request;
    private readonly TaskCompletionSource<HttpCall<TRequest, TResponse>> _chosen = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private readonly List<HttpCall<TRequest, TResponse>> _live = [];
    private bool _writing;
    private bool _writesComplete;

    public RetriableCall(GrpcChannel channel, Method<TRequest, TResponse> method, MethodEntry entry, string? host, CallOptions options)
    {
        _channel = channel;
        _method = method;
        _entry = entry;
        _host = host;
        _options = options;
        _policy = entry.Policy!;
        _throttle = channel.Throttle;
        _request = new ReplayBuffer(channel.RetryBudget);
        WriteOptions = options.WriteOptions;
    }

    public override TResponse Current => _chosen.Task is { IsCompletedSuccessfully: true, Result: var call } ? call.Current : throw new InvalidOperationException("No message is available.");

    public override async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        HttpCall<TRequest, TResponse> call;
        using (cancellationToken.UnsafeRegister(static call => ((RetriableCall<TRequest, TResponse>)call!).Dispose(), this))
        {
            call = await _chosen.Task.ConfigureAwait(false);
        }
        return await call.MoveNext(cancellationToken).ConfigureAwait(false);
    }

    public override async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        lock (_lock)
        {
            if (_writesComplete) throw new InvalidOperationException("Request stream has already been completed.");
            if (_writing) throw new InvalidOperationException("Can't write the message because the previous write is in progress.");
            _writing = true;
        }
        try
        {
            using var registration = cancellationToken.UnsafeRegister(static call => ((RetriableCall<TRequest, TResponse>)call!).Dispose(), this);
            var over = WaitUntilOverAsync();
            if (over.IsCompleted) throw CallIsOver();
            Keep(message);
            var written = _request.WaitWrittenAsync(_request.Count);
            if (await Task.WhenAny(written, over).ConfigureAwait(false) == over && !written.IsCompleted) throw CallIsOver();
        }
        finally
        {
            lock (_lock) _writing = false;
        }
    }

    public override Task CompleteAsync()
    {
        lock (_lock)
        {
            if (_writing) throw new InvalidOperationException("Can't complete the client stream writer because the previous write is in progress.");
            _writesComplete = true;
        }
        _request.Complete();
        return Task.CompletedTask;
    }

    public override async Task<Metadata> GetResponseHeadersAsync()
    {
        var call = await _chosen.Task.ConfigureAwait(false);
        return await call.GetResponseHeadersAsync().ConfigureAwait(false);
    }

    public override Status GetStatus()
    {
        if (_chosen.Task.IsCompletedSuccessfully) return _chosen.Task.Result.GetStatus();
        return _disposed.IsCancellationRequested
            ? new Status(StatusCode.Cancelled, "gRPC call disposed.")
            : throw new InvalidOperationException("Unable to get the status because the call is not complete.");
    }

    public override Metadata GetTrailers() => _chosen.Task.IsCompletedSuccessfully
        ? _chosen.Task.Result.GetTrailers()
        : throw new InvalidOperationException("Can't get the call trailers because the call has not completed successfully.");

    public override void Dispose()
    {
        _disposed.Cancel();
        HttpCall<TRequest, TResponse>[] live;
        lock (_lock) live = [.. _live];
        foreach (var call in live) call.Dispose();
    }

    protected override Task<TResponse> StartSingleResponseAsync(TRequest? request)
    {
        Start(request);
        return GetSingleResponseAsync();
    }

    protected override void StartStreamingResponse(TRequest? request) => Start(request);

    private void Start(TRequest? request)
    {
        if (request is not null)
        {
            Keep(request);
            _request.Complete();
            _writesComplete = true;
        }
        _ = RunAsync();
    }

    private async Task RunAsync()
    {
        try
        {
            await (_policy.Hedging ? HedgeAsync() : RetryAsync()).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _chosen.TrySetException(exception);
        }
    }

    private async Task<TResponse> GetSingleResponseAsync()
    {
        var call = await _chosen.Task.ConfigureAwait(false);
        return await call.GetSingleResponseAsync().ConfigureAwait(false);
    }

    private async Task WaitUntilOverAsync()
    {
        var call = await _chosen.Task.ConfigureAwait(false);
        await call.Completion.ConfigureAwait(false);
    }

    private Exception CallIsOver()
    {
        var call = _chosen.Task.GetAwaiter().GetResult();
        return call.GetStatus().StatusCode == StatusCode.OK ? new InvalidOperationException("Can't write the message because the call is complete.") : call.CreateException();
    }

    private void Keep(TRequest message)
    {
        var options = WriteOptions;
        var compression = options is null || (options.Flags & WriteFlags.NoCompress) == 0 ? HttpCall<TRequest, TResponse>.FindCompression(_channel, _options.Headers) : null;
        var writer = MessageWriter.Rent();
        try
        {
            _request.Add(writer.WriteFrame(_method.RequestMarshaller.ContextualSerializer, message, _channel.MaxSendMessageSize, compression).ToArray());
        }
        finally
        {
            writer.Return();
        }
    }
}
