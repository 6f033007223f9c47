namespace Mesh.Store.Jobs;

/// <summary>Where a job is in its life.</summary>
public enum JobState
{
    /// <summary>Waits for a worker.</summary>
    Queued,

    /// <summary>A worker has it, or its shards are under way.</summary>
    Running,

    /// <summary>Taken out of the queue until it is resumed.</summary>
    Paused,

    /// <summary>Done.</summary>
    Succeeded,

    /// <summary>Given up.</summary>
    Failed,

    /// <summary>Ended because somebody asked for it.</summary>
    Cancelled,
}

/// <summary>How urgent a job is; the higher goes first.</summary>
public enum JobPriority
{
    Low,
    Normal,
    High,
}

/// <summary>What a worker that has a job is asked to do.</summary>
public enum JobWish
{
    /// <summary>Go on.</summary>
    None,

    /// <summary>Stop; the job will be resumed.</summary>
    Pause,

    /// <summary>Stop for good.</summary>
    Cancel,
}

/// <summary>A job to put into the queue.</summary>
/// <param name="Kind">What kind of work it is.</param>
/// <param name="Body">What its worker is given.</param>
/// <param name="Caller">Whose it is, for the quota.</param>
public sealed record NewJob(string Kind, string Body, string Caller)
{
    /// <summary>A second submission of the same caller with it gets the first one's job; null: none.</summary>
    public string? RequestId { get; init; }

    /// <summary>For people.</summary>
    public string Title { get; init; } = "";

    public JobPriority Priority { get; init; } = JobPriority.Normal;

    /// <summary>The bodies of the parts that workers do instead of the job itself; the job is done when all of them are. None: it is not split.</summary>
    public IReadOnlyList<string> Shards { get; init; } = [];
}

/// <summary>A job as it is now.</summary>
public sealed record JobRecord
{
    public required string Id { get; init; }

    public required string Kind { get; init; }

    public required string Body { get; init; }

    public required string Caller { get; init; }

    public required string Title { get; init; }

    public required JobState State { get; init; }

    public required JobPriority Priority { get; init; }

    /// <summary>What its worker is asked to do.</summary>
    public required JobWish Wish { get; init; }

    public required DateTimeOffset Submitted { get; init; }

    /// <summary>When a worker first took it; null: not yet.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>When it was over; null: not yet.</summary>
    public DateTimeOffset? Finished { get; init; }

    /// <summary>How often a worker took it and did not give it back by itself.</summary>
    public required int Deliveries { get; init; }

    /// <summary>Who has it; empty: nobody.</summary>
    public required string Worker { get; init; }

    /// <summary>Why it failed, or why its last worker did; empty: it did not.</summary>
    public required string Error { get; init; }

    /// <summary>What its worker made; empty until it succeeded.</summary>
    public required string Result { get; init; }

    /// <summary>What its worker last said of how far it is; null: nothing yet.</summary>
    public byte[]? Progress { get; init; }

    /// <summary>The number of its newest event; 0: none.</summary>
    public required long LastEvent { get; init; }

    /// <summary>The job that it is a part of; null: none.</summary>
    public string? Parent { get; init; }

    /// <summary>Which part, from 0.</summary>
    public int Shard { get; init; }

    /// <summary>Its parts; none: it is not split.</summary>
    public IReadOnlyList<string> Shards { get; init; } = [];

    /// <summary>Whether nothing more will happen to it.</summary>
    public bool IsOver => State is JobState.Succeeded or JobState.Failed or JobState.Cancelled;
}

/// <summary>The right to work on a job, for as long as it is renewed.</summary>
/// <param name="Job">As it was when it was taken.</param>
/// <param name="Token">Grows with each delivery: whoever comes with an older one is refused.</param>
/// <param name="Worker">Who has it.</param>
public sealed record JobLease(JobRecord Job, long Token, string Worker)
{
    /// <summary>The job's id.</summary>
    public string Id => Job.Id;
}

/// <summary>Something that happened in a job: either a new state, or a worker's own words.</summary>
/// <param name="Number">Counts from 1 without gaps.</param>
/// <param name="At">When, by the server's clock.</param>
/// <param name="Shard">The part that it happened in; null: the whole.</param>
/// <param name="State">The new state; null for a worker's words.</param>
/// <param name="Reason">Why it is in that state; may be empty.</param>
/// <param name="Worker">Who took it or had it; may be empty.</param>
/// <param name="Body">A worker's words; null for a new state.</param>
public sealed record JobEvent(long Number, DateTimeOffset At, int? Shard, JobState? State, string Reason, string Worker, byte[]? Body);

/// <summary>A page of jobs.</summary>
/// <param name="Jobs">The newest first.</param>
/// <param name="Next">Where the next page begins; null: there is none.</param>
public sealed record JobPage(IReadOnlyList<JobRecord> Jobs, string? Next);

/// <summary>What has happened with a submission.</summary>
/// <param name="Id">The job's.</param>
/// <param name="Existed">Whether an earlier submission with the same request id made it.</param>
public sealed record Submission(string Id, bool Existed);
