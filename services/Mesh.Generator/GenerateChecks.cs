using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;

namespace Mesh.Generator;

/// <summary>Whether a request fits the model; what does not is named by its field.</summary>
internal static class GenerateChecks
{
    public const int MostPixelsASide = 2048;
    private const int MostSteps = 1000;
    private const float MostGuidance = 100;
    private const float MostScale = 10;

    /// <summary>What needs no model: sizes, steps, guidance, how a ControlNet acts.</summary>
    public static void CheckNumbers(GenerateRequest request)
    {
        List<(string, string)> faults = [];
        if (request.WidthPx is < 1 or > MostPixelsASide) faults.Add(("width_px", $"must be from 1 to {MostPixelsASide}, not {request.WidthPx}"));
        if (request.HeightPx is < 1 or > MostPixelsASide) faults.Add(("height_px", $"must be from 1 to {MostPixelsASide}, not {request.HeightPx}"));
        if (request.Steps is < 1 or > MostSteps) faults.Add(("steps", $"must be from 1 to {MostSteps}, not {request.Steps}"));
        if (!(request.Guidance is >= 0 and <= MostGuidance)) faults.Add(("guidance", $"must be from 0 to {MostGuidance}"));
        if (request.Control is { } control)
        {
            if (control.Model.Length == 0) faults.Add(("control.model", "is required"));
            if (!(control.Scale is >= 0 and <= MostScale)) faults.Add(("control.scale", $"must be from 0 to {MostScale}"));
            if (!(control.Start is >= 0 and <= 1)) faults.Add(("control.start", "must be from 0 to 1"));
            if (!(control.End is >= 0 and <= 1) || control.End < control.Start) faults.Add(("control.end", "must be from start to 1"));
        }
        if (faults.Count > 0) throw MeshException.InvalidArguments(faults);
    }

    /// <summary>Sizes and steps that the model can do.</summary>
    public static void CheckModel(GenerateRequest request, DenoiserPart model)
    {
        List<(string, string)> faults = [];
        var multiple = model.Stage.Factor;
        if (request.WidthPx % multiple != 0) faults.Add(("width_px", $"must be a multiple of {multiple}, not {request.WidthPx}"));
        if (request.HeightPx % multiple != 0) faults.Add(("height_px", $"must be a multiple of {multiple}, not {request.HeightPx}"));
        var known = model.Stage.Recipe.KnownSteps;
        if (known.Count > 0 && !known.Contains(request.Steps)) faults.Add(("steps", $"{model.Stage.Recipe.Name} is trained for {string.Join(", ", known)} steps, not {request.Steps}"));
        if (faults.Count > 0) throw MeshException.InvalidArguments(faults);
    }

    /// <summary>Whether both texts, where both say what made them, were made by the same encoder.</summary>
    public static void CheckTexts(GenerateRequest request)
    {
        var (prompt, negative) = (request.Prompt?.ModelVersion ?? "", request.NegativePrompt?.ModelVersion ?? "");
        if (prompt.Length > 0 && negative.Length > 0 && prompt != negative)
            throw MeshException.InvalidArgument("negative_prompt.model_version", $"is {negative}, but the prompt's is {prompt}: one text encoder must have made both");
    }

    /// <summary>An embedding of the model's own shape.</summary>
    public static EmbeddedText Embedding(Embedding? embedding, string field, DenoiserPart model)
    {
        if (embedding is null) throw MeshException.InvalidArgument(field, "is required");
        var context = WireTensors.Floats(embedding.Context, field + ".context", model.Positions ?? WireTensors.Any, model.Config.CrossAttentionDim);
        float[]? pooled = null;
        if (model.PooledWidth is { } width) pooled = WireTensors.Floats(embedding.Pooled, field + ".pooled", width);
        else if (embedding.Pooled is not null) throw MeshException.InvalidArgument(field + ".pooled", "must be absent: the model takes none");
        return context.Length == 0
            ? throw MeshException.InvalidArgument(field + ".context", "is empty")
            : new(context, context.Length / model.Config.CrossAttentionDim, pooled);
    }
}
