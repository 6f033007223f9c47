namespace Mesh.Store.Jobs;

/// <summary>The server does not answer; whether it did what it was asked is not known.</summary>
public sealed class QueueUnavailableException(string message, Exception inner) : Exception(message, inner);

/// <summary>Why a submission was refused.</summary>
public enum JobRefusal
{
    /// <summary>The queue holds all that it may.</summary>
    QueueFull,

    /// <summary>The caller has as many unfinished jobs as it may.</summary>
    QuotaExceeded,

    /// <summary>The caller's request id stands for another job.</summary>
    RequestIdReused,
}

/// <summary>A submission was refused; nothing was queued.</summary>
/// <param name="refusal">Why.</param>
/// <param name="message">For people.</param>
public sealed class JobRefusedException(JobRefusal refusal, string message) : Exception(message)
{
    public JobRefusal Refusal { get; } = refusal;
}

/// <summary>A job's worker has it no more: another has, or it is over. Nothing was written.</summary>
/// <param name="id">The job's.</param>
public sealed class LeaseLostException(string id) : Exception($"The job {id} is not this worker's any more.");
