using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// The deadline. At its time the call is answered with DEADLINE_EXCEEDED, whatever its handler does, and then its token is cancelled.
/// A call without a deadline pays for none of it.
/// </summary>
internal sealed partial class ServerCall
{
    /// <summary>How long the answer of a passed deadline may wait for the caller to take it, before the stream is reset.</summary>
    private static readonly TimeSpan AnswerGrace = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private TimeSpan _timeout;
    private DateTime _deadline = DateTime.MaxValue;
    private Timer? _timer;
    private CancellationTokenSource? _cancellation;
    private TaskCompletionSource? _deadlineAnswered;
    private volatile Finish _finish;

    private enum Finish
    {
        No,
        Ended,
        DeadlineExceeded,
    }

    protected override DateTime DeadlineCore => _deadline;

    protected override CancellationToken CancellationTokenCore => _timer is null ? Http.RequestAborted : DeadlineToken();

    /// <summary>Held while a message is put into the response, so that a passing deadline does not cut it in two; null without a deadline.</summary>
    internal object? Gate => _timer;

    internal bool IsDeadlineExceeded => _finish == Finish.DeadlineExceeded;

    private Task DeadlineAnswered => _deadlineAnswered?.Task ?? Task.CompletedTask;

    private void StartDeadline()
    {
        var values = Http.Request.Headers.GrpcTimeout;
        if (values.Count == 0)
            return;

        if (values.Count > 1 || !GrpcProtocol.TryParseTimeout(values[0] ?? "", out _timeout))
        {
            ServerLog.InvalidTimeoutIgnored(_logger, values.ToString());
            return;
        }

        _deadline = DateTime.UtcNow + _timeout;
        _timer = new Timer(static call => ((ServerCall)call!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        SetTimer(_timeout);
    }

    private void SetTimer(TimeSpan left)
    {
        // Rounded up: a timer that fires early would only have to be set again.
        var due = left < LongestTimer ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : LongestTimer;
        try
        {
            _timer!.Change(due, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The call ended while its timer was being moved on.
        }
    }

    private void OnTimer()
    {
        var left = _deadline - DateTime.UtcNow;
        if (left > TimeSpan.Zero)
            SetTimer(left);
        else
            _ = AnswerDeadlineAsync();
    }

    /// <summary>Claims the end of the call for its handler. False when the deadline was first.</summary>
    private bool TryFinish()
    {
        if (_timer is not { } timer)
        {
            _finish = Finish.Ended;
            return true;
        }

        lock (timer)
        {
            if (_finish != Finish.No)
                return _finish == Finish.Ended;

            _finish = Finish.Ended;
        }

        timer.Dispose();
        _cancellation?.Dispose();
        return true;
    }

    private CancellationToken DeadlineToken()
    {
        lock (_timer!)
        {
            if (_cancellation is not null)
                return _cancellation.Token;

            if (_finish == Finish.DeadlineExceeded)
                return new CancellationToken(canceled: true);

            _cancellation = CancellationTokenSource.CreateLinkedTokenSource(Http.RequestAborted);
            return _cancellation.Token;
        }
    }

    private async Task AnswerDeadlineAsync()
    {
        Task sent;
        lock (_timer!)
        {
            if (_finish != Finish.No)
                return;

            _deadlineAnswered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _finish = Finish.DeadlineExceeded;
            _status = new Status(StatusCode.DeadlineExceeded, "Deadline Exceeded");
            sent = SendDeadlineExceeded();
        }

        try
        {
            ServerLog.DeadlineExceeded(_logger, _timeout);
            await ResetAfterAsync(sent).ConfigureAwait(false);
            await (_cancellation?.CancelAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Callbacks on the token are the handler's, and a lost connection is no longer to be answered: neither may end the process.
            ServerLog.DeadlineCancellationError(_logger, e);
        }
        finally
        {
            _timer.Dispose();
            _deadlineAnswered.SetResult();
        }
    }

    private Task SendDeadlineExceeded()
    {
        try
        {
            SendTrailers();
            return Http.Response.CompleteAsync();
        }
        catch (Exception e)
        {
            return Task.FromException(e);
        }
    }

    /// <summary>
    /// Ends the request's side as well, once the answer is out: without an error, so that it stays valid;
    /// as cancelled where the caller does not take it.
    /// </summary>
    private async Task ResetAfterAsync(Task sent)
    {
        var code = GrpcProtocol.NoError;
        try
        {
            await sent.WaitAsync(AnswerGrace).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            code = GrpcProtocol.Cancel;
        }

        if (Http.Features.Get<IHttpResetFeature>() is { } reset)
            reset.Reset(code);
        else
            Http.Abort();
    }
}
