using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Calls;

/// <summary>When attempts start, and which one is chosen.</summary>
internal sealed partial class RetriableCall<TRequest, TResponse>
{
    private bool IsOver =>
        _disposed.IsCancellationRequested || _options.CancellationToken.IsCancellationRequested || _channel.Stopping.IsCancellationRequested || _options.Deadline <= DateTime.UtcNow;

    /// <summary>One attempt after the other.</summary>
    private async Task RetryAsync()
    {
        var backoff = _policy.InitialBackoff;
        for (var attempt = 1; ; attempt++)
        {
            var (call, head) = StartAttempt(attempt - 1);
            var status = await head.ConfigureAwait(false);
            if (status is not { } failure || failure.StatusCode == StatusCode.OK || GetRetryDelay(call, failure, attempt, ref backoff) is not { } delay)
            {
                Choose(call);
                return;
            }
            ChannelLog.Retrying(_channel.LoggerFactory.CreateLogger<GrpcChannel>(), attempt, _method.FullName, failure.StatusCode, (long)delay.TotalMilliseconds);
            Forget(call);

            // A wait that is cut short ends in an attempt that fails at once, with the status that cut it.
            await WaitAsync(delay, null).ConfigureAwait(false);
        }
    }

    /// <summary>Null: this failure is final.</summary>
    private TimeSpan? GetRetryDelay(HttpCall<TRequest, TResponse> call, Status failure, int attempt, ref TimeSpan backoff)
    {
        if (IsOver || _request.Overflowed || !_policy.Codes.Contains(failure.StatusCode)) return null;
        _throttle?.Failed();
        var pushback = GetPushback(call);
        if (pushback < TimeSpan.Zero || attempt >= _policy.MaxAttempts || _throttle is { Allows: false }) return null;
        if (pushback is { } asked)
        {
            backoff = _policy.InitialBackoff;
            return asked;
        }
        var delay = backoff * Random.Shared.NextDouble();
        backoff = TimeSpan.FromTicks((long)Math.Min(backoff.Ticks * _policy.BackoffMultiplier, _policy.MaxBackoff.Ticks));
        return delay;
    }

    /// <summary>Attempts side by side, each a delay after the one before.</summary>
    private async Task HedgeAsync()
    {
        var running = new List<(HttpCall<TRequest, TResponse> Call, Task<Status?> Head)>();
        var started = 0;
        var mayStart = true;
        var delay = TimeSpan.Zero;
        while (true)
        {
            if ((mayStart && delay <= TimeSpan.Zero) || (running.Count == 0 && (!mayStart || delay <= TimeSpan.Zero)))
            {
                running.Add(StartAttempt(started++));
                mayStart = started < _policy.MaxAttempts;
                delay = _policy.HedgingDelay;
                if (mayStart && delay <= TimeSpan.Zero) continue;
            }

            var ended = await WaitForHeadAsync(running, mayStart ? delay : Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            delay = TimeSpan.Zero;
            mayStart &= !IsOver && !_request.Overflowed && _throttle is not { Allows: false };
            if (ended < 0) continue;
            var (call, head) = running[ended];
            running.RemoveAt(ended);
            if (await head.ConfigureAwait(false) is not { } status || !_policy.Codes.Contains(status.StatusCode) || (running.Count == 0 && !mayStart))
            {
                Choose(call);
                return;
            }
            _throttle?.Failed();
            Forget(call);
            if (GetPushback(call) is { } pushback)
            {
                mayStart &= pushback >= TimeSpan.Zero;
                delay = pushback;
            }
            if (running.Count == 0 && !mayStart)
            {
                Choose(call);
                return;
            }
        }
    }

    /// <summary>The place of an attempt whose head is there, or -1 where the delay passed first.</summary>
    private async Task<int> WaitForHeadAsync(List<(HttpCall<TRequest, TResponse> Call, Task<Status?> Head)> running, TimeSpan delay)
    {
        var heads = running.Select(attempt => (Task)attempt.Head);
        if (IsOver && running.Count > 0) await Task.WhenAny(heads).ConfigureAwait(false);
        else await WaitAsync(delay, heads).ConfigureAwait(false);
        return running.FindIndex(attempt => attempt.Head.IsCompleted);
    }

    /// <summary>Waits for the delay, at most until the deadline, the caller's cancellation, or one of these tasks.</summary>
    private async Task WaitAsync(TimeSpan delay, IEnumerable<Task>? others)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_disposed.Token, _options.CancellationToken, _channel.Stopping);
        var cut = _options.Deadline is { } deadline && deadline != DateTime.MaxValue && delay != Timeout.InfiniteTimeSpan && deadline - DateTime.UtcNow < delay;
        var timer = cut ? WaitUntilAsync(_options.Deadline!.Value, stop.Token) : Task.Delay(delay, stop.Token);
        await Task.WhenAny([timer, .. others ?? []]).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Timers may fire a moment early by the clock of the deadline; an attempt begun in that moment would reach the server.</summary>
    private static async Task WaitUntilAsync(DateTime time, CancellationToken cancellationToken)
    {
        for (var rest = time - DateTime.UtcNow; rest > TimeSpan.Zero; rest = time - DateTime.UtcNow)
        {
            await Task.Delay(rest + TimeSpan.FromMilliseconds(1), cancellationToken).ConfigureAwait(false);
        }
    }

    private (HttpCall<TRequest, TResponse> Call, Task<Status?> Head) StartAttempt(int previous)
    {
        var call = new HttpCall<TRequest, TResponse>(_channel, _method, _entry, _host, _options, previous);
        lock (_lock) _live.Add(call);
        if (_disposed.IsCancellationRequested) call.Dispose();
        return (call, call.StartAsync(new ReplayContent(_request)));
    }

    /// <summary>Settles on an attempt and ends the others.</summary>
    private void Choose(HttpCall<TRequest, TResponse> call)
    {
        HttpCall<TRequest, TResponse>[] others;
        lock (_lock)
        {
            others = [.. _live.Where(other => !ReferenceEquals(other, call))];
            _live.Clear();
            _live.Add(call);
        }
        foreach (var other in others) other.Dispose();
        _request.Choose();
        _chosen.TrySetResult(call);
        if (_throttle is not null) _ = EarnTokensAsync(_throttle, call);
    }

    private void Forget(HttpCall<TRequest, TResponse> call)
    {
        lock (_lock) _live.Remove(call);
    }

    private static async Task EarnTokensAsync(RetryThrottle throttle, HttpCall<TRequest, TResponse> call)
    {
        await call.Completion.ConfigureAwait(false);
        if (call.GetStatus().StatusCode == StatusCode.OK) throttle.Succeeded();
    }

    /// <summary>When the server wants the next attempt; negative: never; null: it did not say.</summary>
    private static TimeSpan? GetPushback(HttpCall<TRequest, TResponse> call)
    {
        if (call.GetTrailers().GetValue(GrpcProtocol.PushbackHeader) is not { } text) return null;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds) ? TimeSpan.FromMilliseconds(milliseconds) : TimeSpan.FromMilliseconds(-1);
    }
}
