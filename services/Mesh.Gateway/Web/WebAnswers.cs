using System.Text.Json.Serialization;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Web;

/// <summary>What POST /v1/images/generations answers: OpenAI's fields, then ours.</summary>
internal sealed record ImagesAnswer(
    long Created, IReadOnlyList<ImageDatum> Data, string Background, string OutputFormat, string Quality, string Size, Usage Usage,
    string RequestId, string Model, string ModelVersion, bool Replayed);

/// <summary>One image of the answer.</summary>
internal sealed record ImageDatum([property: JsonPropertyName("b64_json")] byte[] Bytes, ulong Seed, string Sha256, StageTimings Timings);

/// <summary>Tokens, which the mesh has none of that could be billed: always zero, there because clients read it.</summary>
internal sealed record Usage(int InputTokens, InputTokensDetails InputTokensDetails, int OutputTokens, int TotalTokens)
{
    public static Usage None { get; } = new(0, new InputTokensDetails(0, 0), 0, 0);
}

/// <summary>Part of <see cref="Web.Usage"/>.</summary>
internal sealed record InputTokensDetails(int TextTokens, int ImageTokens);

/// <summary>Where the time of one image went; null for a stage that was not asked.</summary>
internal sealed record StageTimings(StageTiming? Generate, StageTiming? Decode)
{
    public static StageTimings Of(Completed completed) => new(StageTiming.Of(completed.Generate), StageTiming.Of(completed.Decode));
}

/// <summary>In microseconds.</summary>
internal sealed record StageTiming(long QueueUs, long ComputeUs, long TotalUs, int BatchSize)
{
    public static StageTiming? Of(Timings? timings) =>
        timings is null ? null : new StageTiming(timings.QueueUs, timings.ComputeUs, timings.TotalUs, timings.BatchSize);
}

/// <summary>A small, quick picture that came before an image.</summary>
internal sealed record PartialImageEvent(
    string Type, [property: JsonPropertyName("b64_json")] byte[] Bytes, int PartialImageIndex, long CreatedAt, string Background, string OutputFormat,
    string Quality, string Size, int ImageIndex, ulong Seed);

/// <summary>An image.</summary>
internal sealed record CompletedEvent(
    string Type, [property: JsonPropertyName("b64_json")] byte[] Bytes, long CreatedAt, string Background, string OutputFormat, string Quality, string Size,
    Usage Usage, int ImageIndex, ulong Seed, string Sha256, StageTimings Timings, string RequestId, string Model, string ModelVersion, bool Replayed);

/// <summary>An error in a stream.</summary>
internal sealed record ErrorEvent(string Type, WebError Error);

/// <summary>What GET /v1/models answers.</summary>
internal sealed record ModelsAnswer(string Object, IReadOnlyList<ModelDatum> Data);

/// <summary>A model: OpenAI's fields, then ours.</summary>
internal sealed record ModelDatum(
    string Id, string Object, long Created, string OwnedBy, string Version, string Recipe, int DefaultSteps, float DefaultGuidance, string Size,
    int SizeMultiple, bool Preview, IReadOnlyList<string> Loras, bool Loaded)
{
    public static ModelDatum Of(ModelInfo info, long created) => new(
        info.Model.Id, "model", created, "mesh", info.Model.Version, info.Recipe, info.DefaultSteps, info.DefaultGuidance, $"{info.WidthPx}x{info.HeightPx}",
        info.SizeMultiplePx, info.Preview, [.. info.Loras], info.Loaded);
}
