using System.Threading.Channels;
using Google.Protobuf;
using Mesh.Contracts.Trainer.V1;
using Mesh.Store.Jobs;

namespace Mesh.Trainer.Work;

/// <summary>Takes a run's events without keeping it waiting, and gives them to the queue in their order, as soon as the queue answers.</summary>
internal sealed class EventOutbox(JobStore queue, JobLease lease, LeaseKeeper keeper)
{
    // A queue that is away for hours costs the oldest events, not the memory.
    private const int Most = 10_000;

    private readonly Channel<WatchJobResponse> _waiting = Channel.CreateBounded<WatchJobResponse>(new BoundedChannelOptions(Most) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    /// <summary>Takes an event.</summary>
    public void Add(WatchJobResponse happened) => _waiting.Writer.TryWrite(happened);

    /// <summary>No more events come.</summary>
    public void Close() => _waiting.Writer.TryComplete();

    /// <summary>Gives events on until <see cref="Close"/> and all are given, or the lease is lost.</summary>
    /// <exception cref="OperationCanceledException">It was cut off.</exception>
    public async Task PumpAsync(CancellationToken cut)
    {
        await foreach (var happened in _waiting.Reader.ReadAllAsync(cut).ConfigureAwait(false))
        {
            var progress = happened.Progress?.ToByteArray();
            if (!await Persistence.TryAsync(queue, keeper, x => x.TellAsync(lease, happened.ToByteArray(), progress, cut), cut).ConfigureAwait(false)) return;
        }
    }
}

/// <summary>Writes to the queue for as long as it takes.</summary>
internal static class Persistence
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Writes, again and again while the queue does not answer.</summary>
    /// <returns>False: the job is another's, or over.</returns>
    /// <exception cref="OperationCanceledException">It was cut off.</exception>
    public static async Task<bool> TryAsync(JobStore queue, LeaseKeeper keeper, Func<JobStore, Task> write, CancellationToken cut)
    {
        while (true)
        {
            try
            {
                if (keeper.IsLost) return false;
                await write(queue).ConfigureAwait(false);
                return true;
            }
            catch (LeaseLostException)
            {
                keeper.Lose();
                return false;
            }
            catch (QueueUnavailableException)
            {
                await Task.Delay(Pause, cut).ConfigureAwait(false);
            }
        }
    }
}
