namespace Mesh.Store.Jobs;

/// <summary>How a queue of jobs is kept.</summary>
public sealed record JobQueueOptions
{
    /// <summary>Before every key. What stands between braces keeps all of them on one node of a cluster.</summary>
    public string Prefix { get; init; } = "mesh:{jobs}:";

    /// <summary>How long a worker may be silent before its job is given to another. It renews its lease every third of this.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a job may be taken by workers that are then lost, or fail by accident, before it is a dead letter.</summary>
    public int MaxDeliveries { get; init; } = 4;

    /// <summary>Most jobs that wait or run.</summary>
    public int MaxQueued { get; init; } = 1000;

    /// <summary>Most jobs of one caller that are not over.</summary>
    public int MaxPerCaller { get; init; } = 100;

    /// <summary>Events of a job that are kept; older ones go first.</summary>
    public int MaxEvents { get; init; } = 5000;

    /// <summary>How long a job is known after it is over.</summary>
    public TimeSpan KeepFinished { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How long a caller's request id stands for its job.</summary>
    public TimeSpan KeepRequests { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long one command may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);
}
