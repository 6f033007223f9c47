using Grpc.Core;
using Mesh.Contracts.Generator.V1;
using Mesh.Hosting.Faults;
using Mesh.Hosting.Stages;
using Microsoft.Extensions.Options;

namespace Mesh.Generator;

/// <summary>mesh.generator.v1.GeneratorService.</summary>
internal sealed class GenerateEndpoint : GeneratorService.GeneratorServiceBase
{
    private readonly StageEngine<GeneratorPart, GenerateKey, GenerateItem, MadeLatent> _engine;
    private readonly CatalogueOptions _catalogue;
    private readonly WorkServer<GenerateRequest, GenerateResponse> _stream;

    public GenerateEndpoint(
        StageEngine<GeneratorPart, GenerateKey, GenerateItem, MadeLatent> engine, IOptions<CatalogueOptions> catalogue, IServiceProvider services)
    {
        (_engine, _catalogue) = (engine, catalogue.Value);
        _stream = services.WorkServer<GenerateRequest, GenerateResponse>(
            new(
                "mesh.generator.v1.GeneratorService/Generate",
                x => new WorkHeader(x.Id, x.Cancel, x.TimeoutUs, x.Traceparent),
                (id, status, timings) => new GenerateResponse { Id = id, Failure = status, Timings = timings }),
            GenerateAsync);
    }

    public override Task Generate(IAsyncStreamReader<GenerateRequest> requestStream, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context) =>
        _stream.ServeAsync(requestStream, responseStream, context);

    private async Task GenerateAsync(GenerateRequest request, WorkItem work, Func<GenerateResponse, Task> answer)
    {
        var id = ModelOf(request);
        GenerateChecks.CheckNumbers(request);
        var loras = LoraSet.Read(request.Loras, _catalogue, id);
        CheckControl(request, id);
        using var lease = await _engine.Models.AcquireAsync(id, request.Model?.Version ?? "", work.Cancelled).ConfigureAwait(false);
        var model = (DenoiserPart)lease.Model;
        GenerateChecks.CheckModel(request, model);
        var item = new GenerateItem(
            (long)(request.Seed & uint.MaxValue),
            GenerateChecks.Embedding(request.Prompt, "prompt", model),
            model.NeedsNegative(request.Guidance) ? GenerateChecks.Embedding(request.NegativePrompt, "negative_prompt", model) : null,
            request.Control is { } c ? WireTensors.Bytes(c.Image, "control.image", 3, request.HeightPx, request.WidthPx) : null,
            request.Noise is { } n ? WireTensors.Floats(n, "noise", model.Stage.LatentChannels, request.HeightPx / model.Stage.Factor, request.WidthPx / model.Stage.Factor) : null,
            work.Cancelled);
        GenerateChecks.CheckTexts(request);
        using var files = await model.TakeAsync(loras).ConfigureAwait(false);
        using var control = await ControlAsync(request, model, work.Cancelled).ConfigureAwait(false);
        var result = await _engine.RunAsync(lease, control, KeyOf(request, loras), item, work).ConfigureAwait(false);
        var latent = result.Value;
        await answer(new GenerateResponse
        {
            Id = work.Id,
            Latent = new() { Values = WireTensors.OfFloats(latent.Values, latent.Channels, latent.Height, latent.Width), ModelVersion = lease.Installed.Version },
            Timings = work.Timings(result),
        }).ConfigureAwait(false);
    }

    private static GenerateKey KeyOf(GenerateRequest request, LoraSet loras) => new(
        request.WidthPx, request.HeightPx, request.Steps, request.Guidance, loras, request.Control is { } c ? new ControlKey(c.Scale, c.Start, c.End) : null);

    private string ModelOf(GenerateRequest request)
    {
        var id = _engine.Models.Resolve(request.Model?.Id ?? "");
        return _catalogue.Models.ContainsKey(id) ? id : throw StageFaults.Unknown(id, [.. _catalogue.Models.Keys]);
    }

    private void CheckControl(GenerateRequest request, string model)
    {
        if (request.Control is not { } control || _catalogue.ControlsOf(model).Any(x => x.Key == control.Model)) return;
        string[] known = [.. _catalogue.ControlsOf(model).Select(x => x.Key)];
        throw MeshException.NotFound("control", control.Model, known.Length == 0
            ? $"There is no ControlNet '{control.Model}'; none is configured for the model '{model}'."
            : $"There is no ControlNet '{control.Model}' for the model '{model}'; there are {string.Join(", ", known)}.");
    }

    private async Task<ModelLease<GeneratorPart>?> ControlAsync(GenerateRequest request, DenoiserPart model, CancellationToken cancel)
    {
        if (request.Control is not { } control) return null;
        var lease = await _engine.Models.AcquireAsync(GeneratorModels.IdOfControl(control.Model), "", cancel).ConfigureAwait(false);
        if (((ControlPart)lease.Model).Fits(model.Config)) return lease;
        lease.Dispose();
        throw MeshException.FailedPrecondition("CONTROL_MISMATCH", control.Model, $"The ControlNet '{control.Model}' was made for another kind of model.");
    }
}
