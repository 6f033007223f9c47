using System.ComponentModel.DataAnnotations;

namespace Mesh.Gateway.Images;

/// <summary>Limits of what callers may ask for and hold.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    public const string SectionName = "Gateway";

    /// <summary>Most images a call.</summary>
    [Range(1, 1024)]
    public int MaxCount { get; set; } = 64;

    /// <summary>Most images of one call that are on their way at once; the others wait for those.</summary>
    [Range(1, 1024)]
    public int MaxConcurrent { get; set; } = 8;

    /// <summary>Most images of all calls that are on their way at once.</summary>
    [Range(1, 1_000_000)]
    public int MaxInFlight { get; set; } = 64;

    /// <summary>Most images of one caller that are on their way at once. Absent: as <see cref="MaxInFlight"/>.</summary>
    [Range(1, 1_000_000)]
    public int? MaxInFlightPerCaller { get; set; }

    /// <summary>Largest width or height before enlarging.</summary>
    [Range(8, 8192)]
    public int MaxSidePx { get; set; } = 2048;

    /// <summary>How long a caller may take to read one event.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "01:00:00")]
    public TimeSpan SlowReader { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>What embeddings may take in this process, in bytes.</summary>
    [Range(0, long.MaxValue)]
    public long LocalCacheBytes { get; set; } = 256L << 20;

    /// <summary>How long the result of a call with a request id is kept, in minutes; 0: not at all.</summary>
    [Range(0, 1440)]
    public double ReplayMinutes { get; set; } = 10;

    /// <summary>What such results may take in this process, in bytes; one may take a quarter of it.</summary>
    [Range(0, long.MaxValue)]
    public long ReplayBytes { get; set; } = 256L << 20;

    /// <summary><see cref="MaxInFlightPerCaller"/>, or what stands for it.</summary>
    internal int InFlightPerCaller => MaxInFlightPerCaller ?? MaxInFlight;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (InFlightPerCaller > MaxInFlight) yield return new ValidationResult($"must be at most MaxInFlight, {MaxInFlight}", [nameof(MaxInFlightPerCaller)]);
        if (MaxConcurrent > InFlightPerCaller) yield return new ValidationResult($"must be at most MaxInFlightPerCaller, {InFlightPerCaller}", [nameof(MaxConcurrent)]);
    }
}
