using StackExchange.Redis;

namespace Mesh.Store.Jobs;

/// <content>What workers do. Whoever holds a lease that another has been given since is refused, whatever it wants to write.</content>
public sealed partial class JobStore
{
    /// <summary>Takes the most urgent job that waits or whose worker is lost; null: there is none now.</summary>
    /// <param name="worker">Names who takes it, for people.</param>
    /// <param name="cancel">Ends the waiting; the job may have been taken nevertheless, and is given to another when the lease has lapsed.</param>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<JobLease?> ClaimAsync(string worker, CancellationToken cancel = default)
    {
        var answer = await RunAsync(JobScripts.Claim, cancel, worker, Milliseconds(_options.Lease), _options.MaxDeliveries).ConfigureAwait(false);
        if (answer.IsNull) return null;
        var parts = (RedisResult[])answer!;
        return new JobLease(JobWire.Read(parts[1]), (long)parts[0], worker);
    }

    /// <summary>Holds a lease for another while.</summary>
    /// <returns>What the worker is asked to do.</returns>
    /// <exception cref="LeaseLostException">Another has the job, or it is over.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public async Task<JobWish> RenewAsync(JobLease lease, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(lease);
        var answer = await RunAsync(JobScripts.Renew, cancel, lease.Id, lease.Token).ConfigureAwait(false);
        return answer.IsNull ? throw new LeaseLostException(lease.Id) : JobWire.ReadWish((string)((RedisValue[])answer!)[0]!);
    }

    /// <summary>Adds a worker's words to the job's events, and to its parent's.</summary>
    /// <param name="lease">The worker's.</param>
    /// <param name="body">The words.</param>
    /// <param name="progress">Kept as how far the job is; null: as before.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="LeaseLostException">Another has the job, or it is over.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task TellAsync(JobLease lease, byte[] body, byte[]? progress, CancellationToken cancel = default) =>
        WriteAsync(JobScripts.Tell, lease, cancel, body, progress ?? []);

    /// <summary>The job is done. A second time does nothing.</summary>
    /// <param name="lease">The worker's.</param>
    /// <param name="result">What it made.</param>
    /// <param name="whole">What the whole job made, where this is the last of its parts.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="LeaseLostException">Another has the job, or it is over in another way.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task CompleteAsync(JobLease lease, string result, string whole = "", CancellationToken cancel = default) =>
        WriteAsync(JobScripts.Complete, lease, cancel, lease.Worker, result, whole);

    /// <summary>The job cannot be done, by any worker. A second time does nothing.</summary>
    /// <exception cref="LeaseLostException">Another has the job, or it is over in another way.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task FailAsync(JobLease lease, string reason, CancellationToken cancel = default) => WriteAsync(JobScripts.Fail, lease, cancel, lease.Worker, reason);

    /// <summary>
    /// Gives the job back without fault, as when the worker goes down: it waits in front of the others, and the delivery does not count. Where it was to
    /// be paused or cancelled, it is that now.
    /// </summary>
    /// <exception cref="LeaseLostException">Another has the job, or it is over.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task GiveBackAsync(JobLease lease, CancellationToken cancel = default) =>
        WriteAsync(JobScripts.Release, lease, cancel, lease.Worker, Milliseconds(_options.Lease), "", 0);

    /// <summary>The worker failed by what may have been an accident: the job is given to one again after a while, until it has been tried often enough.</summary>
    /// <param name="lease">The worker's.</param>
    /// <param name="reason">What went wrong.</param>
    /// <param name="delay">At most the lease's length.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="LeaseLostException">Another has the job, or it is over.</exception>
    /// <exception cref="QueueUnavailableException">The server does not answer.</exception>
    public Task RetryAsync(JobLease lease, string reason, TimeSpan delay, CancellationToken cancel = default) =>
        WriteAsync(JobScripts.Release, lease, cancel, lease.Worker, Milliseconds(_options.Lease), reason.Length == 0 ? "unknown" : reason, Milliseconds(delay));

    private static long Milliseconds(TimeSpan span) => (long)span.TotalMilliseconds;

    private async Task WriteAsync(string script, JobLease lease, CancellationToken cancel, params RedisValue[] more)
    {
        ArgumentNullException.ThrowIfNull(lease);
        var taken = (long)await RunAsync(script, cancel, [lease.Id, lease.Token, .. more]).ConfigureAwait(false);
        if (taken == 0) throw new LeaseLostException(lease.Id);
    }
}
