using System.ComponentModel.DataAnnotations;
using Mesh.Hosting.Peers;

namespace Mesh.Gateway.Stages;

/// <summary>Where the stages are, one endpoint a replica: <c>http://host:port</c>, <c>https://host:port</c>, <c>unix:/path</c>, <c>dns://host:port</c>.</summary>
public sealed class StagesOptions : IValidatableObject
{
    public const string SectionName = "Stages";

    /// <summary>Text encoders. Where none of the four is given: 127.0.0.1, port 50061.</summary>
    public IReadOnlyList<string> Text { get; set; } = [];

    /// <summary>Generators; port 50062.</summary>
    public IReadOnlyList<string> Generator { get; set; } = [];

    /// <summary>Decoders; port 50063.</summary>
    public IReadOnlyList<string> Decoder { get; set; } = [];

    /// <summary>Upsamplers; port 50064.</summary>
    public IReadOnlyList<string> Upsampler { get; set; } = [];

    /// <summary>Between two questions for what a stage holds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "00:10:00")]
    public TimeSpan Poll { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a piece of work waits for a replica where none serves.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Wait { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer to a piece of work, or the next of several, may take where its call has no nearer deadline.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "1.00:00:00")]
    public TimeSpan WorkTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How many replicas a piece of work may lose before that is told.</summary>
    [Range(1, 10)]
    public int Tries { get; set; } = 2;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, list) in new[] { (nameof(Text), Text), (nameof(Generator), Generator), (nameof(Decoder), Decoder), (nameof(Upsampler), Upsampler) })
        {
            foreach (var endpoint in list)
            {
                if (Fault(endpoint) is { } fault) yield return new ValidationResult(fault, [name]);
            }
        }
    }

    /// <summary>Puts the stages of this machine in where nothing is configured.</summary>
    internal void FillDefaults()
    {
        if (Text.Count + Generator.Count + Decoder.Count + Upsampler.Count > 0) return;
        Text = ["http://127.0.0.1:50061"];
        Generator = ["http://127.0.0.1:50062"];
        Decoder = ["http://127.0.0.1:50063"];
        Upsampler = ["http://127.0.0.1:50064"];
    }

    private static string? Fault(string endpoint)
    {
        try
        {
            MeshEndpoint.Parse(endpoint);
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }
}
