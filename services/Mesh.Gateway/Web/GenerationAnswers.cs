using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Web;

/// <summary>What one call answers, out of what it asked and the event that admitted it.</summary>
internal sealed class GenerationAnswers(GenerationCall call, Accepted accepted, long created)
{
    // What OpenAI's callers may choose and find again; here there is one way.
    private const string Background = "opaque";
    private const string Quality = "auto";

    private readonly string _size = $"{accepted.WidthPx}x{accepted.HeightPx}";

    public ImagesAnswer Whole(IEnumerable<Picture> pictures) => new(
        created, [.. pictures.OrderBy(x => x.Index).Select(Datum)], Background, call.OutputFormat, Quality, _size, Usage.None,
        accepted.RequestId, accepted.Model.Id, accepted.Model.Version, accepted.Replayed);

    public PartialImageEvent Partial(Picture picture) => new(
        "image_generation.partial_image", picture.Bytes, 0, created, Background, picture.MimeType[(picture.MimeType.IndexOf('/', StringComparison.Ordinal) + 1)..],
        Quality, _size, picture.Index, accepted.Seeds[picture.Index]);

    public CompletedEvent Final(Picture picture)
    {
        var datum = Datum(picture);
        return new(
            "image_generation.completed", datum.Bytes, created, Background, call.OutputFormat, Quality, _size, Usage.None, picture.Index, datum.Seed, datum.Sha256,
            datum.Timings, accepted.RequestId, accepted.Model.Id, accepted.Model.Version, accepted.Replayed);
    }

    private static ImageDatum Datum(Picture picture) => new(
        picture.Bytes, picture.Completed!.Seed, Convert.ToHexStringLower(picture.Completed.Sha256.Span), StageTimings.Of(picture.Completed));
}
