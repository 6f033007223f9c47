using System.Runtime.CompilerServices;
using Google.Protobuf;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Catalogue;
using Mesh.Gateway.Replay;
using Mesh.Gateway.Stages;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Options;

namespace Mesh.Gateway.Images;

/// <inheritdoc cref="IImages"/>
internal sealed class ImageApplication(
    IOptions<GatewayOptions> options, MeshStages stages, ModelCatalogue catalogue, GeneratePlanner generatePlanner, UpscalePlanner upscalePlanner,
    GenerateRunner generateRunner, UpscaleRunner upscaleRunner, RunRegistry runs, CallAdmission admission, EmbeddingCaches caches) : IImages
{
    private const int DefaultPage = 50;
    private const int MostPage = 100;

    private readonly GatewayOptions _options = options.Value;

    public async IAsyncEnumerable<GenerateResponse> GenerateAsync(GenerateRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        generatePlanner.Check(request);
        var identity = RunIdentity.Of(caller.Name, request);
        // A run that others may join is not bound to the deadline of the one who began it: that one just leaves.
        var deadline = identity is null ? caller.Deadline : null;
        await foreach (var item in runs.FollowAsync(identity, token => PrepareAsync(request, caller.Name, deadline, token), cancel).ConfigureAwait(false))
            yield return item;
    }

    public async IAsyncEnumerable<UpscaleResponse> UpscaleAsync(UpscaleRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        UpscalePlanner.Check(request);
        var identity = RunIdentity.Of(caller.Name, request);
        var deadline = identity is null ? caller.Deadline : null;
        await foreach (var item in runs.FollowAsync(identity, token => PrepareAsync(request, caller.Name, deadline, token), cancel).ConfigureAwait(false))
            yield return ToUpscale(item);
    }

    public GetCapabilitiesResponse GetCapabilities()
    {
        var model = catalogue.Models.FirstOrDefault(x => x.Ref.Id == catalogue.DefaultModel);
        return new()
        {
            MaxCount = _options.MaxCount,
            MaxPromptBytes = Violations.MaxPromptBytes,
            MaxSidePx = _options.MaxSidePx,
            Formats = { ImageFormat.Png, ImageFormat.Jpeg, ImageFormat.Webp },
            Preview = model is { Preview: true },
            Upscale = catalogue.Upsamplers.Count > 0 && stages.Upsampler.IsServing,
            Control = catalogue.Models.Any(x => x.Recipe.Controls.Count > 0),
            SharedCache = caches.IsShared,
            DefaultModel = catalogue.DefaultModel,
        };
    }

    public ListModelsResponse ListModels(ListModelsRequest request)
    {
        if (request.PageSize < 0) throw MeshException.InvalidArgument("page_size", "must not be negative");
        var after = request.PageToken.Length > 0 ? TokenId(request.PageToken) : null;
        var size = request.PageSize == 0 ? DefaultPage : Math.Min(request.PageSize, MostPage);
        var left = catalogue.Models.Where(x => after is null || string.CompareOrdinal(x.Ref.Id, after) > 0).ToList();
        var answer = new ListModelsResponse();
        answer.Models.AddRange(left.Take(size).Select(Describe));
        if (left.Count > size) answer.NextPageToken = ByteString.CopyFromUtf8(left[size - 1].Ref.Id).ToBase64();
        return answer;
    }

    private static string TokenId(string token)
    {
        try
        {
            return ByteString.FromBase64(token).ToStringUtf8();
        }
        catch (FormatException)
        {
            throw MeshException.InvalidArgument("page_token", "is no next_page_token of an earlier answer");
        }
    }

    private static ModelInfo Describe(CatalogueModel model)
    {
        var recipe = model.Recipe;
        return new()
        {
            Model = model.Ref,
            Recipe = recipe.Recipe,
            DefaultSteps = recipe.DefaultSteps,
            DefaultGuidance = recipe.DefaultGuidance,
            WidthPx = recipe.WidthPx,
            HeightPx = recipe.HeightPx,
            SizeMultiplePx = recipe.SizeMultiplePx,
            Preview = model.Preview,
            Loras = { recipe.Loras.Select(x => x.Name) },
            Controls = { recipe.Controls },
            Loaded = model.Loaded,
        };
    }

    private static UpscaleResponse ToUpscale(GenerateResponse item)
    {
        var answer = new UpscaleResponse { Sequence = item.Sequence, ElapsedUs = item.ElapsedUs };
        switch (item.EventCase)
        {
            case GenerateResponse.EventOneofCase.Accepted: answer.Accepted = item.Accepted; break;
            case GenerateResponse.EventOneofCase.Tile: answer.Tile = item.Tile; break;
            case GenerateResponse.EventOneofCase.Image: answer.Image = item.Image; break;
            case GenerateResponse.EventOneofCase.Completed: answer.Completed = item.Completed; break;
            case GenerateResponse.EventOneofCase.Failed: answer.Failed = item.Failed; break;
            default: throw new InvalidOperationException($"An Upscale call has no event {item.EventCase}.");
        }
        return answer;
    }

    private static string IdOr(string given) => given.Length > 0 ? given : Guid.NewGuid().ToString();

    private async Task<PreparedRun> PrepareAsync(GenerateRequest request, string caller, DateTimeOffset? deadline, CancellationToken cancel)
    {
        var permit = admission.Enter(caller, Math.Min(Math.Max(1, request.Count), _options.MaxConcurrent));
        try
        {
            var plan = await generatePlanner.PlanAsync(request, cancel).ConfigureAwait(false);
            var accepted = new Accepted { RequestId = IdOr(request.RequestId), Model = plan.Model.Ref, Seeds = { plan.Seeds }, WidthPx = plan.WidthPx, HeightPx = plan.HeightPx };
            return new(accepted, permit, (events, token) => generateRunner.RunAsync(plan, events, deadline, token));
        }
        catch
        {
            permit.Dispose();
            throw;
        }
    }

    private async Task<PreparedRun> PrepareAsync(UpscaleRequest request, string caller, DateTimeOffset? deadline, CancellationToken cancel)
    {
        var permit = admission.Enter(caller, 1);
        try
        {
            var plan = await upscalePlanner.PlanAsync(request, cancel).ConfigureAwait(false);
            var accepted = new Accepted
            {
                RequestId = IdOr(request.RequestId),
                Model = plan.Plan.Model.Ref,
                Seeds = { plan.Seed },
                WidthPx = plan.Picture.Width,
                HeightPx = plan.Picture.Height,
            };
            return new(accepted, permit, (events, token) => upscaleRunner.RunAsync(plan, events, deadline, token));
        }
        catch
        {
            permit.Dispose();
            throw;
        }
    }
}
