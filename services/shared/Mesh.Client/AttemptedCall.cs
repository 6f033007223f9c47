using System.Security.Cryptography;
using Grpc.Core;

namespace Mesh.Client;

/// <summary>What one message of a stream says.</summary>
/// <param name="Sequence">As the mesh numbered it.</param>
/// <param name="Elapsed">Microseconds.</param>
/// <param name="Payload">The event's own message.</param>
/// <param name="IsPreview">Whether a piece of a file belongs to a preview.</param>
internal readonly record struct WireEvent(long Sequence, long Elapsed, object? Payload, bool IsPreview = false);

/// <summary>A streaming call that is begun again where that is safe and may help. One reader at a time.</summary>
/// <param name="open">Begins an attempt.</param>
/// <param name="read">What a message says.</param>
/// <param name="reception">Where messages become events.</param>
/// <param name="patience">How often and until when to try.</param>
/// <param name="cancel">The caller's.</param>
internal sealed class AttemptedCall<TResponse>(
    Func<AsyncServerStreamingCall<TResponse>> open, Func<TResponse, WireEvent> read, Reception reception, Patience patience, CancellationToken cancel) : IDisposable
{
    private AsyncServerStreamingCall<TResponse>? _call;

    /// <summary>The next event; null: the call has ended well.</summary>
    /// <exception cref="MeshException">The call failed, and trying again did not help or was not safe.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public async Task<ImageEvent?> NextAsync()
    {
        while (true)
        {
            try
            {
                if (await StepAsync().ConfigureAwait(false) is { } step) return step.Event;
            }
            catch (RpcException fault)
            {
                cancel.ThrowIfCancellationRequested();
                await AgainAsync(MeshException.From(fault)).ConfigureAwait(false);
            }
            catch (MeshException fault)
            {
                await AgainAsync(fault).ConfigureAwait(false);
            }
        }
    }

    public void Dispose() => _call?.Dispose();

    /// <summary>Reads one message; null: it held nothing to tell.</summary>
    private async Task<Step?> StepAsync()
    {
        if (_call is null)
        {
            cancel.ThrowIfCancellationRequested();
            reception.Begin();
            _call = open();
        }
        if (!await _call.ResponseStream.MoveNext(cancel).ConfigureAwait(false))
        {
            reception.End();
            return new Step(null);
        }
        var message = read(_call.ResponseStream.Current);
        return reception.Take(message.Sequence, message.Elapsed, message.Payload, message.IsPreview) is { } told ? new Step(told) : null;
    }

    private async Task AgainAsync(MeshException fault)
    {
        _call?.Dispose();
        _call = null;
        await patience.WaitAsync(fault, cancel).ConfigureAwait(false);
    }

    /// <summary>An event, or the end.</summary>
    private sealed record Step(ImageEvent? Event);
}

/// <summary>How often a call may be begun again, and until when.</summary>
internal sealed class Patience(MeshClientOptions options, DateTime deadline, TimeProvider time)
{
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(30);
    private int _used;

    /// <summary>Waits for the next attempt.</summary>
    /// <exception cref="MeshException">There is none: <paramref name="fault"/> itself.</exception>
    public async Task WaitAsync(MeshException fault, CancellationToken cancel)
    {
        if (!fault.IsTransient || _used >= options.Retries) throw fault;
        var longest = Math.Min(options.RetryBackoff.TotalMilliseconds * Math.Pow(2, _used), LongestBackoff.TotalMilliseconds);
        _used++;
        // Anywhere in the upper half, so that those who were turned away together do not come back together.
        var delay = TimeSpan.FromMilliseconds(longest * RandomNumberGenerator.GetInt32(500, 1001) / 1000) + (fault.RetryAfter ?? TimeSpan.Zero);
        if (time.GetUtcNow().UtcDateTime + delay >= deadline) throw fault;
        await Task.Delay(delay, time, cancel).ConfigureAwait(false);
    }
}
