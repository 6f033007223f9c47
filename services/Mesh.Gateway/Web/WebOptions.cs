using System.ComponentModel.DataAnnotations;

namespace Mesh.Gateway.Web;

/// <summary>The OpenAI-style API.</summary>
public sealed class WebOptions
{
    public const string SectionName = "Web";

    /// <summary>Largest body of a request, in bytes.</summary>
    [Range(1024, 1024 * 1024 * 1024)]
    public long MaxBodyBytes { get; set; } = 1024 * 1024;

    /// <summary>How long a request may take; it then ends with DEADLINE_EXCEEDED, 504. HTTP's callers cannot send a deadline.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "1.00:00:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a stream may be silent before a comment is sent, so that proxies keep it open.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "01:00:00")]
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(15);
}
