using System.ComponentModel.DataAnnotations;

namespace Mesh.Gateway.Keys;

/// <summary>One entry of <c>Mesh:Keys</c>: who may call, known by the hash of a key, and how much.</summary>
public sealed class ApiKeyOptions
{
    /// <summary>The section that holds the list. Empty or absent: everyone may call.</summary>
    public const string SectionName = "Keys";

    /// <summary>Names the caller in limits, logs and errors; not secret, and one key's alone.</summary>
    [Required]
    [RegularExpression("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", ErrorMessage = "must be 1 to 64 letters, digits, dots, dashes or underscores")]
    public string Name { get; set; } = "";

    /// <summary>SHA-256 of the key's UTF-8 bytes, 64 hexadecimal digits. Keys are random and long, so that a plain hash hides them.</summary>
    [Required]
    [RegularExpression("[0-9A-Fa-f]{64}", ErrorMessage = "must be 64 hexadecimal digits: the SHA-256 of the key")]
    public string Sha256 { get; set; } = "";

    /// <summary>Most calls that may run at once. Absent: as many as the mesh takes.</summary>
    [Range(1, 1_000_000)]
    public int? MaxInFlight { get; set; }

    /// <summary>Most images in any minute. Absent: no limit.</summary>
    [Range(1, 1_000_000_000)]
    public int? ImagesPerMinute { get; set; }

    /// <summary>Most images in any 24 hours. Absent: no limit.</summary>
    [Range(1, 1_000_000_000)]
    public int? ImagesPerDay { get; set; }
}
