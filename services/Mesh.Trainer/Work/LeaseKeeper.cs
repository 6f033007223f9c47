using Mesh.Store.Jobs;

namespace Mesh.Trainer.Work;

/// <summary>
/// Holds a job's lease while the job runs: renews it every third of its length, hears what is wished of the job, and answers, before anything is
/// written, whether the job is still this process's. Safe for use from several threads.
/// </summary>
internal sealed class LeaseKeeper(JobStore queue, JobLease lease, TimeProvider time) : IDisposable
{
    // How often a write that must wait asks a queue that does not answer, a tenth of the lease apart.
    private const int Patience = 200;

    private readonly CancellationTokenSource _stop = new();
    private readonly TimeSpan _length = queue.Options.Lease;
    private readonly Lock _gate = new();
    private long _held = time.GetTimestamp();
    private bool _lost;

    /// <summary>Cancelled when the job is to stop, for whatever reason.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>Whether another has the job, or it is over.</summary>
    public bool IsLost => Volatile.Read(ref _lost);

    /// <summary>Renews the lease until it is told to end or the lease is lost.</summary>
    public async Task HoldAsync(CancellationToken end)
    {
        using var signal = queue.Signals.Listen(lease.Id);
        while (!end.IsCancellationRequested && !IsLost)
        {
            var wait = await TryRenewAsync(end).ConfigureAwait(false) ? _length / 3 : _length / 10;
            try
            {
                await signal.WaitAsync(wait, end).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Asks the job to stop within a step.</summary>
    public void AskToStop() => _stop.Cancel();

    /// <summary>Returns where this process may write; waits where the queue does not answer just then.</summary>
    /// <exception cref="LeaseLostException">It may not, and never again.</exception>
    public void MayWrite()
    {
        // Well within the lease nobody else can have the job. Later the queue is asked, which may be after any pause of this process.
        for (var tries = 0; !IsLost; tries++)
        {
            if (time.GetElapsedTime(Volatile.Read(ref _held)) < _length * 2 / 3) return;
            if (tries == Patience) break;
            if (TryRenewAsync(CancellationToken.None).GetAwaiter().GetResult()) continue;
            Thread.Sleep(_length / 10);
        }
        throw new LeaseLostException(lease.Id);
    }

    /// <summary>Notes that the job is another's, or over.</summary>
    public void Lose()
    {
        Volatile.Write(ref _lost, true);
        AskToStop();
    }

    public void Dispose() => _stop.Dispose();

    private async Task<bool> TryRenewAsync(CancellationToken cancel)
    {
        // From before it was asked: the queue's clock begins no earlier.
        var asked = time.GetTimestamp();
        try
        {
            var wish = await queue.RenewAsync(lease, cancel).ConfigureAwait(false);
            lock (_gate) Volatile.Write(ref _held, Math.Max(_held, asked));
            if (wish != JobWish.None) AskToStop();
            return true;
        }
        catch (LeaseLostException)
        {
            Lose();
            return true;
        }
        catch (QueueUnavailableException)
        {
            return false;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return false;
        }
    }
}
