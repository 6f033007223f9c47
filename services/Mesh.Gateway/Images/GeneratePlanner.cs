using System.Security.Cryptography;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Catalogue;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Images;

/// <summary>Checks Generate requests and fills in their defaults.</summary>
internal sealed class GeneratePlanner(IOptions<GatewayOptions> options, ModelCatalogue catalogue)
{
    private const int MaxSteps = 100;
    private const int MaxLoras = 16;
    private const int MaxLoraWeight = 4;
    private const int MaxGuidance = 50;
    private const int MaxControlScale = 2;
    private const int MaxControlSide = 4096;
    private const int LeastUpscaled = 8;
    private const int MostUpscaled = 1024;

    private readonly GatewayOptions _options = options.Value;

    /// <summary>What can be said without knowing any model. Cheap.</summary>
    /// <exception cref="MeshException">Fields are wrong; every one is named.</exception>
    public void Check(GenerateRequest request)
    {
        var wrong = new Violations();
        wrong.RequestId(request.RequestId);
        wrong.Prompt("prompt", request.Prompt, required: true);
        if (request.HasNegativePrompt) wrong.Prompt("negative_prompt", request.NegativePrompt, required: false);
        var count = request.Count == 0 ? 1 : request.Count;
        if (count < 1 || count > _options.MaxCount) wrong.Add("count", $"must be from 1 to {_options.MaxCount}; 0 stands for 1");
        else wrong.Unless(request.Seeds.Count <= 1 || request.Seeds.Count == count, "seeds", $"has {request.Seeds.Count} seeds for {count} images; give none, one, or one an image");
        CheckSide(wrong, "width_px", request.WidthPx);
        CheckSide(wrong, "height_px", request.HeightPx);
        wrong.Name("model", request.Model);
        if (request.HasSteps) wrong.Unless(request.Steps is >= 1 and <= MaxSteps, "steps", $"must be from 1 to {MaxSteps}");
        if (request.HasGuidance) wrong.Between("guidance", request.Guidance, 0, MaxGuidance);
        CheckLoras(wrong, request);
        if (request.Control is { } control) CheckControl(wrong, control);
        if (request.Upscale is { } upscale) wrong.Blending("upscale.blending", upscale.Blending);
        wrong.File(request.Format, request.HasQuality ? request.Quality : null);
        wrong.ThrowIfAny();
    }

    /// <summary>The model that is asked for, and all that goes with it.</summary>
    /// <exception cref="MeshException">What is asked for does not exist, is not installed, or does not go with the model.</exception>
    public async Task<GeneratePlan> PlanAsync(GenerateRequest request, CancellationToken cancel)
    {
        var model = await catalogue.FindAsync(request.Model, cancel).ConfigureAwait(false);
        var upscale = request.Upscale is { } asked ? await PlanUpscaleAsync(asked, cancel).ConfigureAwait(false) : null;
        if (request.Preview && !model.Preview) throw NoPreview(model);
        var recipe = model.Recipe;
        var (width, height) = (Or(request.WidthPx, recipe.WidthPx), Or(request.HeightPx, recipe.HeightPx));
        CheckSize(request, model, width, height, upscale is not null);
        foreach (var lora in request.Loras.Where(x => recipe.Loras.All(y => y.Name != x.Name)))
            throw MeshException.NotFound("lora", lora.Name, $"There is no LoRA '{lora.Name}' for the model '{model.Ref.Id}'.");
        return new()
        {
            Model = model,
            Prompt = request.Prompt,
            NegativePrompt = request.HasNegativePrompt ? request.NegativePrompt : null,
            Seeds = Seeds(request),
            WidthPx = width,
            HeightPx = height,
            Steps = request.HasSteps ? request.Steps : recipe.DefaultSteps,
            Guidance = request.HasGuidance ? request.Guidance : recipe.DefaultGuidance,
            Loras = [.. request.Loras.Where(x => x.Weight != 0)],
            Control = request.Control is { } control ? PlanControl(control, model, width, height) : null,
            Preview = request.Preview,
            Upscale = upscale,
            File = new Violations().File(request.Format, request.HasQuality ? request.Quality : null),
        };
    }

    private static MeshException NoPreview(CatalogueModel model) => MeshException.FailedPrecondition(
        "PREVIEW_NOT_INSTALLED", model.Ref.Id, $"The model '{model.Ref.Id}' has no decoder for previews: name a folder with an AutoencoderTiny under Mesh:Models:{model.Ref.Id}:Preview in the decoder stage's configuration.");

    private static int Or(int asked, int own) => asked == 0 ? own : asked;

    private static ulong[] Seeds(GenerateRequest request)
    {
        var count = Math.Max(1, request.Count);
        if (request.Seeds.Count == count) return [.. request.Seeds];
        var first = request.Seeds.Count > 0 ? request.Seeds[0] : BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(sizeof(uint)));
        return [.. Enumerable.Range(0, count).Select(i => unchecked(first + (ulong)i))];
    }

    private static void CheckLoras(Violations wrong, GenerateRequest request)
    {
        wrong.Unless(request.Loras.Count <= MaxLoras, "loras", $"has {request.Loras.Count}; at most {MaxLoras} are taken");
        for (var i = 0; i < Math.Min(request.Loras.Count, MaxLoras); i++)
        {
            var lora = request.Loras[i];
            wrong.Name($"loras[{i}].name", lora.Name, required: true);
            wrong.Between($"loras[{i}].weight", lora.Weight, -MaxLoraWeight, MaxLoraWeight);
            wrong.Unless(request.Loras.Take(i).All(x => x.Name != lora.Name), $"loras[{i}].name", "is named twice");
        }
    }

    private static void CheckControl(Violations wrong, ControlImage control)
    {
        wrong.Unless(!control.Image.IsEmpty, "control.image", "must not be empty");
        wrong.Name("control.model", control.Model);
        if (control.HasScale) wrong.Between("control.scale", control.Scale, 0, MaxControlScale);
        if (control.HasStart) wrong.Between("control.start", control.Start, 0, 1);
        if (control.HasEnd) wrong.Between("control.end", control.End, control.HasStart && control.Start is >= 0 and <= 1 ? control.Start : 0, 1);
    }

    private static void CheckSize(GenerateRequest request, CatalogueModel model, int width, int height, bool upscaled)
    {
        var wrong = new Violations();
        var multiple = model.Recipe.SizeMultiplePx;
        foreach (var (field, asked, side) in new[] { ("width_px", request.WidthPx, width), ("height_px", request.HeightPx, height) })
        {
            wrong.Unless(side % multiple == 0, field, $"must be a multiple of {multiple} for the model '{model.Ref.Id}'");
            if (upscaled) wrong.Unless(side is >= LeastUpscaled and <= MostUpscaled, field, $"must be from {LeastUpscaled} to {MostUpscaled} where the image is enlarged; it is {side}{(asked == 0 ? ", the model's own" : "")}");
        }
        wrong.ThrowIfAny();
    }

    private static ControlPlan PlanControl(ControlImage control, CatalogueModel model, int width, int height)
    {
        var fit = model.Recipe.Controls;
        if (fit.Count == 0) throw MeshException.FailedPrecondition("CONTROL_NOT_INSTALLED", model.Ref.Id, $"No ControlNet is installed for the model '{model.Ref.Id}': name its folder under Mesh:Controls in the generator stage's configuration.");
        if (control.Model.Length > 0 && !fit.Contains(control.Model))
            throw MeshException.NotFound("control", control.Model, $"There is no ControlNet '{control.Model}' for the model '{model.Ref.Id}'.");
        if (control.Model.Length == 0 && fit.Count > 1)
            throw MeshException.InvalidArgument("control.model", $"must be one of {string.Join(", ", fit)} for the model '{model.Ref.Id}'");
        var wrong = new Violations();
        var picture = wrong.Picture("control.image", control.Image.Span, MaxControlSide);
        wrong.ThrowIfAny();
        if (picture!.Width != width || picture.Height != height) picture = Imaging.Resampling.Resize(picture, width, height, Imaging.ResampleFilter.Lanczos);
        return new(
            control.Model.Length > 0 ? control.Model : fit[0], Pixels.ToPlanes(picture), ByteString.CopyFrom(SHA256.HashData(control.Image.Span)),
            control.HasScale ? control.Scale : 1, control.HasStart ? control.Start : 0, control.HasEnd ? control.End : 1);
    }

    private void CheckSide(Violations wrong, string field, int side) =>
        wrong.Unless(side >= 0 && side <= _options.MaxSidePx, field, $"must be from 1 to {_options.MaxSidePx}; 0 stands for the model's own");

    private async Task<UpscalePlan> PlanUpscaleAsync(UpscaleOptions asked, CancellationToken cancel)
    {
        var model = await catalogue.FindUpsamplerAsync("", cancel).ConfigureAwait(false);
        return new(model, asked.Blending != TileBlending.None, asked.HasSeed ? asked.Seed : null);
    }
}
