namespace Mesh.Gateway.Web;

/// <summary>Reads events and does something whenever none came for a while.</summary>
/// <param name="events">Disposed with this.</param>
/// <param name="whenQuiet">Done after each silence.</param>
/// <param name="silence">How long.</param>
/// <param name="time">The clock.</param>
/// <param name="stop">Ends the events; cancelled when <paramref name="whenQuiet"/> fails.</param>
internal sealed class QuietEvents<T>(IAsyncEnumerator<T> events, Func<Task> whenQuiet, TimeSpan silence, TimeProvider time, CancellationTokenSource stop) : IAsyncDisposable
{
    public T Current => events.Current;

    public async Task<bool> MoveNextAsync()
    {
        var moving = events.MoveNextAsync().AsTask();
        try
        {
            while (!moving.IsCompleted && await IsQuietAsync(moving).ConfigureAwait(false)) await whenQuiet().ConfigureAwait(false);
        }
        catch
        {
            // The enumerator must stand still before it can be disposed.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)moving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        return await moving.ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => events.DisposeAsync();

    private async Task<bool> IsQuietAsync(Task moving)
    {
        using var over = new CancellationTokenSource();
        var first = await Task.WhenAny(moving, Task.Delay(silence, time, over.Token)).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        return first != moving;
    }
}
