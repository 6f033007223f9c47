using Mesh.Store.Jobs;
using Mesh.Testing;

namespace Mesh.Store.Tests.Jobs;

/// <summary>One append-only Redis for the tests of a class, and queues on it that know nothing of each other.</summary>
public sealed class QueueServer : IAsyncLifetime
{
    private RedisLink? _link;
    private int _queues;

    /// <summary>The server.</summary>
    public RedisServer Server { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Server = await RedisServer.StartAsync(appendOnly: true);
        _link = new RedisLink(Server.Connection);
    }

    public async Task DisposeAsync()
    {
        await _link!.DisposeAsync();
        await Server.DisposeAsync();
    }

    /// <summary>A queue of its own.</summary>
    /// <param name="lease">An hour where null: no worker is ever lost.</param>
    /// <param name="change">Other options.</param>
    internal JobStore Make(TimeSpan? lease = null, Func<JobQueueOptions, JobQueueOptions>? change = null)
    {
        var options = new JobQueueOptions { Prefix = $"test:{{{Interlocked.Increment(ref _queues)}}}:", Lease = lease ?? TimeSpan.FromHours(1) };
        return new JobStore(_link!, change is null ? options : change(options));
    }
}

/// <summary>What the tests of queues share.</summary>
internal static class QueueActions
{
    public static NewJob Job(string body = "work", string caller = "me") => new("flow", body, caller);

    public static async Task<JobLease> TakeAsync(this JobStore queue, string worker = "w1") =>
        (await queue.ClaimAsync(worker).DefaultTimeout()).ShouldNotBeNull("a job should wait");

    /// <summary>Asks until a lapsed lease is given to this worker.</summary>
    public static async Task<JobLease> TakeLapsedAsync(this JobStore queue, string worker)
    {
        using var signal = queue.Signals.Listen("nothing");
        while (true)
        {
            if (await queue.ClaimAsync(worker).DefaultTimeout() is { } lease) return lease;
            await signal.WaitAsync(TimeSpan.FromMilliseconds(20), CancellationToken.None).DefaultTimeout();
        }
    }

    /// <summary>Lets leases lapse until the job is in a state that nobody's claim makes it leave.</summary>
    public static async Task<JobRecord> WhenAsync(this JobStore queue, string id, Func<JobRecord, bool> reached)
    {
        using var signal = queue.Signals.Listen(id);
        while (true)
        {
            var job = (await queue.GetAsync(id).DefaultTimeout())!;
            if (reached(job)) return job;
            await queue.ClaimAsync("sweeper").DefaultTimeout();
            await signal.WaitAsync(TimeSpan.FromMilliseconds(20), CancellationToken.None).DefaultTimeout();
        }
    }

    public static async Task<JobState> StateAsync(this JobStore queue, string id) => (await queue.GetAsync(id).DefaultTimeout())!.State;

    public static async Task<JobState[]> StatesToldAsync(this JobStore queue, string id) =>
        [.. (await queue.EventsAsync(id, 1, 1000).DefaultTimeout()).Where(x => x is { State: not null, Shard: null }).Select(x => x.State!.Value)];
}
