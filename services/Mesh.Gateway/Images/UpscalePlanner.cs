using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Catalogue;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Images;

/// <summary>What an Upscale call asks for, checked.</summary>
/// <param name="Picture">What to enlarge.</param>
/// <param name="Plan">How.</param>
/// <param name="Seed">Of the upsampler's noise.</param>
/// <param name="File">How the whole is written; null where only tiles are wanted.</param>
internal sealed record UpscaleCallPlan(Imaging.Image Picture, UpscalePlan Plan, ulong Seed, FilePlan? File);

/// <summary>Checks Upscale requests and fills in their defaults.</summary>
internal sealed class UpscalePlanner(ModelCatalogue catalogue)
{
    private const int LeastSide = 8;
    private const int MostSide = 1024;

    /// <summary>What can be said without reading the picture.</summary>
    /// <exception cref="MeshException">Fields are wrong; every one is named.</exception>
    public static void Check(UpscaleRequest request)
    {
        var wrong = new Violations();
        wrong.RequestId(request.RequestId);
        wrong.Unless(!request.Image.IsEmpty, "image", "must not be empty");
        wrong.Name("model", request.Model);
        if (request.Options is { } options) wrong.Blending("options.blending", options.Blending);
        wrong.File(request.Format, request.HasQuality ? request.Quality : null);
        wrong.ThrowIfAny();
    }

    /// <exception cref="MeshException">The upsampler is not there, or the picture is none or of another size.</exception>
    public async Task<UpscaleCallPlan> PlanAsync(UpscaleRequest request, CancellationToken cancel)
    {
        var model = await catalogue.FindUpsamplerAsync(request.Model, cancel).ConfigureAwait(false);
        var wrong = new Violations();
        var picture = wrong.Picture("image", request.Image.Span, MostSide);
        wrong.Unless(picture is not { Width: < LeastSide } and not { Height: < LeastSide }, "image", $"is smaller than {LeastSide} pixels");
        wrong.ThrowIfAny();
        var seed = request.Options is { HasSeed: true } options ? options.Seed : 0;
        var plan = new UpscalePlan(model, request.Options?.Blending != TileBlending.None, seed);
        return new(picture!, plan, seed, request.TilesOnly ? null : wrong.File(request.Format, request.HasQuality ? request.Quality : null));
    }
}
