using System.Text;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Images;

/// <summary>Gathers what is wrong with a request, field by field, so that all of it is told at once.</summary>
internal sealed class Violations
{
    public const int MaxPromptBytes = 8 * 1024;
    private const int MaxNameBytes = 256;
    private const int MaxQuality = 100;
    private const int DefaultQuality = 90;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<(string Field, string Description)> _found = [];

    public void Add(string field, string description) => _found.Add((field, description));

    public void Unless(bool right, string field, string description)
    {
        if (!right) Add(field, description);
    }

    /// <exception cref="MeshException">Something was found.</exception>
    public void ThrowIfAny()
    {
        if (_found.Count > 0) throw MeshException.InvalidArguments(_found);
    }

    /// <summary>Text for a text encoder.</summary>
    public void Prompt(string field, string text, bool required)
    {
        if (required && string.IsNullOrWhiteSpace(text)) Add(field, "must not be empty");
        else if (Bytes(text) is not { } bytes) Add(field, "is no valid Unicode");
        else if (bytes > MaxPromptBytes) Add(field, $"has {bytes} bytes of UTF-8; at most {MaxPromptBytes} are taken");
        else if (text.Contains('\0')) Add(field, "contains the character NUL");
        else if (text.Contains('\uFFFD')) Add(field, "contains U+FFFD, which stands for bytes that were no UTF-8");
    }

    /// <summary>The id of something that is configured; empty stands for a default.</summary>
    public void Name(string field, string name, bool required = false)
    {
        if (required && name.Length == 0) Add(field, "must not be empty");
        else if (Bytes(name) is not <= MaxNameBytes) Add(field, $"must be valid Unicode of at most {MaxNameBytes} bytes");
        else if (name.Any(char.IsControl)) Add(field, "contains a control character");
    }

    public void RequestId(string id) => Unless(id.Length == 0 || Guid.TryParseExact(id, "D", out _), "request_id", "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000, or empty");

    public void Between(string field, float value, float least, float most) =>
        Unless(value >= least && value <= most, field, $"must be a number from {least} to {most}");

    /// <summary>How files are written.</summary>
    public FilePlan File(ImageFormat format, int? quality)
    {
        Unless(Enum.IsDefined(format), "format", $"is not known: {(int)format}");
        Unless(quality is null or (>= 1 and <= MaxQuality), "quality", $"must be from 1 to {MaxQuality}");
        var written = format switch
        {
            ImageFormat.Jpeg => Imaging.ImageFormat.Jpeg,
            ImageFormat.Webp => Imaging.ImageFormat.WebP,
            _ => Imaging.ImageFormat.Png,
        };
        return new(written, quality ?? DefaultQuality);
    }

    public void Blending(string field, TileBlending blending) => Unless(Enum.IsDefined(blending), field, $"is not known: {(int)blending}");

    /// <summary>A picture file of a caller.</summary>
    public Imaging.Image? Picture(string field, ReadOnlySpan<byte> file, int maxSide)
    {
        if (file.IsEmpty)
        {
            Add(field, "must not be empty");
            return null;
        }
        try
        {
            return Imaging.ImageCodec.Decode(file, new Imaging.ImageLimits(maxSide, (long)maxSide * maxSide));
        }
        catch (Imaging.ImageException e)
        {
            Add(field, $"is no picture that can be read: {e.Message}");
            return null;
        }
    }

    private static int? Bytes(string text)
    {
        try
        {
            return Strict.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            return null;
        }
    }
}
