using System.ComponentModel.DataAnnotations;
using Mesh.Hosting.Peers;
using Mesh.Store.Jobs;
using StackExchange.Redis;

namespace Mesh.Trainer;

/// <summary>What a trainer works in, and how its queue is kept.</summary>
public sealed class TrainerOptions : IValidatableObject
{
    public const string SectionName = "Trainer";

    /// <summary>The folder below which data, jobs and models lie; the same for all trainers of a queue.</summary>
    [Required(ErrorMessage = "is required: the folder below which data, jobs and models lie")]
    public string Root { get; set; } = "";

    /// <summary>The queue's Redis, such as <c>127.0.0.1:6379</c>; it must neither evict nor forget. Absent: no job is taken.</summary>
    public string? Redis { get; set; }

    /// <summary>Whether this trainer works on jobs, or only answers for the queue.</summary>
    public bool Work { get; set; } = true;

    /// <summary>How long a trainer may be silent before its job is given to another.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a job may be taken by trainers that are lost, before it is given up.</summary>
    [Range(1, 100)]
    public int MaxDeliveries { get; set; } = 4;

    /// <summary>Most jobs that wait or run.</summary>
    [Range(1, 1_000_000)]
    public int MaxQueued { get; set; } = 1000;

    /// <summary>Most jobs of one caller that are not over.</summary>
    [Range(1, 1_000_000)]
    public int MaxPerCaller { get; set; } = 100;

    /// <summary>Where promoted models lie: a description <c>ID.model</c> for each, which the stages' catalogue names. Absent: models, below the root.</summary>
    public string? Models { get; set; }

    /// <summary>The gateway that tells the stages of promoted models. Absent: none is promoted.</summary>
    public string? Gateway { get; set; }

    /// <summary>A key of that gateway's, where it asks for one.</summary>
    public string? GatewayKey { get; set; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Redis is not null && Fault(() => ConfigurationOptions.Parse(Redis).EndPoints.Count > 0 ? null : "names no server; right would be 127.0.0.1:6379") is { } redis)
            yield return new ValidationResult(redis, [nameof(Redis)]);
        if (Gateway is not null && Fault(() => MeshEndpoint.Parse(Gateway) is null ? "" : null) is { } gateway)
            yield return new ValidationResult(gateway, [nameof(Gateway)]);
    }

    /// <summary>The same for the queue.</summary>
    internal JobQueueOptions ToQueueOptions() => new() { Lease = Lease, MaxDeliveries = MaxDeliveries, MaxQueued = MaxQueued, MaxPerCaller = MaxPerCaller };

    private static string? Fault(Func<string?> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return e.Message;
        }
    }
}
