using Grpc.Core;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Framing;
using Grpc.Net.Compression;

namespace Grpc.Net.Client.Calls;

/// <summary>One attempt at a call: one HTTP/2 request and its response.</summary>
internal sealed partial class HttpCall<TRequest, TResponse> : ClientCall<TRequest, TResponse>
    where TRequest : class
    where TResponse : class
{
    private readonly GrpcChannel _channel;
    private readonly Method<TRequest, TResponse> _method;
    private readonly MethodEntry _entry;
    private readonly string? _host;
    private readonly CallOptions _options;
    private readonly int _previousAttempts;
    private readonly CancellationTokenSource _stop = new();

    private CancellationTokenRegistration _callerRegistration;
    private CancellationTokenRegistration _channelRegistration;
    private Timer? _deadlineTimer;
    private HttpResponseMessage? _response;
    private MessageReader? _reader;
    private ICompressionProvider? _compression;
    private PickedSubchannel _picked;
    private TaskCompletionSource? _completion;

    private bool _finished;
    private Status _status;
    private Metadata? _trailers;

    public HttpCall(GrpcChannel channel, Method<TRequest, TResponse> method, MethodEntry entry, string? host, CallOptions options, int previousAttempts)
    {
        if (options.Deadline is { } deadline && deadline != DateTime.MaxValue && deadline != DateTime.MinValue && deadline.Kind != DateTimeKind.Utc)
        {
            throw new InvalidOperationException("Deadline must have a kind DateTimeKind.Utc or be equal to DateTime.MaxValue or DateTime.MinValue.");
        }
        _channel = channel;
        _method = method;
        _entry = entry;
        _host = host;
        _options = options;
        _previousAttempts = previousAttempts;
        WriteOptions = options.WriteOptions;
    }

    private bool HasSingleResponse => _method.Type is MethodType.Unary or MethodType.ClientStreaming;

    /// <summary>How the call ended, or null while it goes on.</summary>
    public Status? Outcome
    {
        get
        {
            lock (_stop) return _finished ? _status : null;
        }
    }

    /// <summary>Completes when the call has ended; never faults.</summary>
    public Task Completion
    {
        get
        {
            lock (_stop)
            {
                if (_finished) return Task.CompletedTask;
                _completion ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return _completion.Task;
            }
        }
    }

    public override Status GetStatus() => Outcome ?? throw new InvalidOperationException("Unable to get the status because the call is not complete.");

    public override Metadata GetTrailers()
    {
        lock (_stop)
        {
            if (!_finished) throw new InvalidOperationException("Can't get the call trailers because the call has not completed successfully.");
            return _trailers ??= ReadTrailers();
        }
    }

    public override void Dispose() => Finish(new Status(StatusCode.Cancelled, "gRPC call disposed."), null);

    /// <summary>What a caller gets thrown for a finished call.</summary>
    public Exception CreateException()
    {
        var status = GetStatus();
        RpcException failure;
        try
        {
            failure = new RpcException(status, GetTrailers());
        }
        catch (FormatException exception)
        {
            failure = new RpcException(new Status(StatusCode.Internal, $"Malformed trailers after {status.StatusCode}: {exception.Message}", exception));
        }
        if (!_channel.ThrowOperationCanceledOnCancellation) return failure;
        return status.StatusCode switch
        {
            StatusCode.Cancelled => new OperationCanceledException(status.Detail, failure, _options.CancellationToken),
            StatusCode.DeadlineExceeded => new OperationCanceledException(status.Detail, failure),
            _ => failure,
        };
    }

    /// <summary>Watches the deadline, the caller's token and the channel's end; false where the call is over before it began.</summary>
    private bool Arm()
    {
        if (_options.CancellationToken.CanBeCanceled)
        {
            _callerRegistration = _options.CancellationToken.UnsafeRegister(static call => ((HttpCall<TRequest, TResponse>)call!).CancelByCaller(), this);
        }
        _channelRegistration = _channel.Stopping.UnsafeRegister(static call => ((HttpCall<TRequest, TResponse>)call!).Dispose(), this);
        if (_options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            if (deadline <= DateTime.UtcNow)
            {
                ExpireDeadline();
            }
            else
            {
                _deadlineTimer = new Timer(static call => ((HttpCall<TRequest, TResponse>)call!).CheckDeadline(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                CheckDeadline();
            }
        }
        if (Outcome is null) return true;
        ReleaseRegistrations();
        return false;
    }

    private void CheckDeadline()
    {
        var rest = _options.Deadline!.Value - DateTime.UtcNow;
        if (rest <= TimeSpan.Zero)
        {
            ExpireDeadline();
            return;
        }

        // Timers count whole milliseconds, and not beyond 49 days.
        var due = Math.Min((long)Math.Ceiling(rest.TotalMilliseconds), int.MaxValue);
        lock (_stop)
        {
            if (!_finished) _deadlineTimer?.Change(due, Timeout.Infinite);
        }
    }

    private void ExpireDeadline() => Finish(new Status(StatusCode.DeadlineExceeded, ""), null);

    private void CancelByCaller() => Finish(new Status(StatusCode.Cancelled, "Call canceled by the client."), null);

    /// <summary>Ends the call with what an exception means, unless it has ended, and tells how it ended.</summary>
    private Status Fail(Exception exception, string what)
    {
        if (Outcome is { } already) return already;
        var (status, trailers) = exception switch
        {
            RpcException rpc => (rpc.Status, rpc.Trailers),
            { InnerException: RpcException rpc } => (rpc.Status, rpc.Trailers),
            OperationCanceledException => (new Status(StatusCode.Cancelled, what + " " + GrpcProtocol.Describe(exception), exception), null),
            _ => (new Status(GrpcProtocol.MapException(exception), what + " " + GrpcProtocol.Describe(exception), exception), (Metadata?)null),
        };
        Finish(status, trailers);
        return GetStatus();
    }

    /// <summary>Ends the call; the first to do so decides its status.</summary>
    /// <param name="trailers">Null: those of the response, where there was one.</param>
    private bool Finish(Status status, Metadata? trailers)
    {
        TaskCompletionSource? completion;
        lock (_stop)
        {
            if (_finished) return false;
            _finished = true;
            _status = status;
            _trailers = trailers;
            completion = _completion;
        }

        ReleaseRegistrations();
        _picked.Tracker?.Complete(new CompletionContext { Address = _picked.Address, Error = status.StatusCode == StatusCode.OK ? null : status.DebugException ?? new RpcException(status) });

        // Ends a wait or a read that is under way; an unread response is reset with CANCEL.
        if (status.StatusCode != StatusCode.OK) _stop.Cancel();
        _response?.Dispose();
        _content?.Abandon();
        completion?.TrySetResult();
        return true;
    }

    private void ReleaseRegistrations()
    {
        _callerRegistration.Unregister();
        _channelRegistration.Unregister();
        _deadlineTimer?.Dispose();
    }

    /// <summary>Under the lock, the call finished.</summary>
    private Metadata ReadTrailers()
    {
        if (_response is null) return Metadata.Empty;
        var headers = GrpcProtocol.GetHeader(_response.Headers, GrpcProtocol.StatusHeader) is null ? _response.TrailingHeaders : _response.Headers;
        return GrpcProtocol.ToMetadata(headers);
    }
}
