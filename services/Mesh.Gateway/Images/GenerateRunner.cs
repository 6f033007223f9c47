using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Gateway.Catalogue;
using Mesh.Gateway.Stages;
using Mesh.Hosting.Faults;
using Microsoft.Extensions.Options;
using Decoding = Mesh.Contracts.Decoder.V1;
using Drawing = Mesh.Contracts.Generator.V1;

namespace Mesh.Gateway.Images;

/// <summary>Carries out Generate calls: text, then each image through generator, decoder and, where asked, upsampler.</summary>
internal sealed class GenerateRunner(
    IOptions<GatewayOptions> options, MeshStages stages, EmbeddingSource embeddings, Enlarger enlarger, FileEncoder files, FaultReporter faults, GatewayMetrics metrics)
{
    private const string Where = "Generate";

    /// <summary>Draws all images of a plan.</summary>
    /// <param name="plan">What is asked for.</param>
    /// <param name="events">Takes what happens; accepted was said already.</param>
    /// <param name="deadline">When the images are of no use any more.</param>
    /// <param name="cancel">Stops the work in every stage.</param>
    /// <returns>Whether every image was completed.</returns>
    public async Task<bool> RunAsync(GeneratePlan plan, RunEvents events, DateTimeOffset? deadline, CancellationToken cancel)
    {
        var prompts = await EncodeAsync(plan, events, cancel).ConfigureAwait(false);
        var whole = true;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Value.MaxConcurrent, CancellationToken = cancel };
        await Parallel.ForAsync(0, plan.Count, parallel, async (index, token) =>
        {
            var image = new ImageRun(plan, index, prompts.Prompt, prompts.Negative, events, deadline);
            try
            {
                await DrawAsync(image, token).ConfigureAwait(false);
                metrics.Drawn("completed");
            }
            catch (Exception e) when (!cancel.IsCancellationRequested && !IsLate(e, deadline))
            {
                // One image that fails is not the others' fault; a deadline that has passed is the whole call's.
                whole = false;
                metrics.Drawn("failed");
                var status = faults.Report(e, deadlinePassed: false, Where).ToStatus();
                await events.AddAsync(new() { Failed = new() { Index = index, Status = status } }, token).ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        return whole;
    }

    /// <summary>Whether the caller's own deadline is the cause; timers run a little early or late, so the clock does not tell.</summary>
    private static bool IsLate(Exception fault, DateTimeOffset? deadline) => deadline is not null && fault is MeshException { Code: StatusCode.DeadlineExceeded, Reason: FaultReasons.DeadlineExceeded };

    private async Task<(Embedding Prompt, Embedding? Negative)> EncodeAsync(GeneratePlan plan, RunEvents events, CancellationToken cancel)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var prompt = embeddings.PromptAsync(plan, both.Token);
        var negative = plan.IsGuided ? embeddings.NegativeAsync(plan, both.Token) : null;
        try
        {
            var found = await prompt.ConfigureAwait(false);
            await events.AddAsync(new() { Encoded = new() { Cache = found.Outcome, Timings = found.Timings } }, cancel).ConfigureAwait(false);
            return (found.Value, negative is null ? null : (await negative.ConfigureAwait(false)).Value);
        }
        catch
        {
            await both.CancelAsync().ConfigureAwait(false);
            if (negative is not null) await ((Task)negative).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private async Task DrawAsync(ImageRun image, CancellationToken cancel)
    {
        var plan = image.Plan;
        using var rest = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var drawn = await stages.Generator.SendAsync(Work(image), plan.Model.Generator.Ref, image.Deadline, cancel).ConfigureAwait(false);
        var latent = drawn.Value.Latent?.Values ?? throw new InvalidDataException("the generator sent no latent");
        var preview = plan.Preview ? PreviewAsync(image, latent, rest.Token) : Task.CompletedTask;
        try
        {
            var decoded = await DecodeAsync(image, latent, Decoding.Quality.Full, cancel).ConfigureAwait(false);
            var picture = Pixels.ToImage(decoded.Value.Pixels);
            if (picture.Width != plan.WidthPx || picture.Height != plan.HeightPx)
                throw new InvalidDataException($"the decoder sent {picture.Width}x{picture.Height} pixels where {plan.WidthPx}x{plan.HeightPx} were asked for");
            await preview.ConfigureAwait(false);
            Enlarged? enlarged = null;
            if (plan.Upscale is { } upscale)
            {
                enlarged = await enlarger.RunAsync(
                    picture, upscale, upscale.Seed ?? image.Seed, image.Index, whole: true, tile => image.Events.AddAsync(new() { Tile = tile }, cancel), image.Deadline, cancel)
                    .ConfigureAwait(false);
                picture = enlarged.Image!;
            }
            await FinishAsync(image, picture, drawn, decoded, enlarged, cancel).ConfigureAwait(false);
        }
        finally
        {
            await rest.CancelAsync().ConfigureAwait(false);
            await preview.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static Drawing.GenerateRequest Work(ImageRun image)
    {
        var plan = image.Plan;
        var work = new Drawing.GenerateRequest
        {
            Model = plan.Model.Generator.Ref,
            Seed = image.Seed,
            WidthPx = plan.WidthPx,
            HeightPx = plan.HeightPx,
            Steps = plan.Steps,
            Guidance = plan.Guidance,
            Prompt = image.Prompt,
            NegativePrompt = image.Negative,
            Control = plan.Control is { } control
                ? new() { Model = control.Model, Image = control.Image, Scale = control.Scale, Start = control.Start, End = control.End }
                : null,
        };
        work.Loras.AddRange(plan.Loras);
        return work;
    }

    private Task<StageAnswer<Decoding.DecodeResponse>> DecodeAsync(ImageRun image, Tensor latent, Decoding.Quality quality, CancellationToken cancel)
    {
        var model = image.Plan.Model.Decoder.Ref;
        return stages.Decoder.SendAsync(new() { Model = model, Latent = latent, Quality = quality }, model, image.Deadline, cancel);
    }

    private async Task PreviewAsync(ImageRun image, Tensor latent, CancellationToken cancel)
    {
        var decoded = await DecodeAsync(image, latent, Decoding.Quality.Preview, cancel).ConfigureAwait(false);
        var file = await files.EncodeAsync(Pixels.ToImage(decoded.Value.Pixels), FileEncoder.Preview, null, cancel).ConfigureAwait(false);
        foreach (var chunk in file.Chunks(image.Index)) await image.Events.AddAsync(new() { Preview = chunk }, cancel).ConfigureAwait(false);
    }

    private async Task FinishAsync(
        ImageRun image, Imaging.Image picture, StageAnswer<Drawing.GenerateResponse> drawn, StageAnswer<Decoding.DecodeResponse> decoded, Enlarged? enlarged, CancellationToken cancel)
    {
        var plan = image.Plan;
        var file = await files.EncodeAsync(picture, plan.File, GenerationText.Of(plan, image.Index), cancel).ConfigureAwait(false);
        foreach (var chunk in file.Chunks(image.Index)) await image.Events.AddAsync(new() { Image = chunk }, cancel).ConfigureAwait(false);
        List<ComputeKind> kinds =
        [
            .. plan.Model.Text.Kinds,
            ComputeKind.Of(drawn.Replica.Info!, plan.Model.Ref.Id),
            ComputeKind.Of(decoded.Replica.Info!, plan.Model.Ref.Id),
        ];
        if (enlarged is not null) kinds.Add(enlarged.Kind);
        var completed = new Completed
        {
            Index = image.Index,
            Seed = image.Seed,
            Model = plan.Model.Ref,
            Sha256 = file.Sha256,
            Generate = drawn.Value.Timings,
            Decode = decoded.Value.Timings,
            Upscale = enlarged?.Timings,
            Reproducibility = Reproducible.Of(kinds),
        };
        await image.Events.AddAsync(new() { Completed = completed }, cancel).ConfigureAwait(false);
    }

    /// <summary>One image on its way.</summary>
    private sealed record ImageRun(GeneratePlan Plan, int Index, Embedding Prompt, Embedding? Negative, RunEvents Events, DateTimeOffset? Deadline)
    {
        public ulong Seed => Plan.Seeds[Index];
    }
}

internal static class Reproducible
{
    /// <summary>What the bytes depend on, each kind once, in the order in which work met it.</summary>
    public static Reproducibility Of(IReadOnlyList<ComputeKind> kinds) => new()
    {
        DeviceKind = string.Join(" + ", kinds.Select(x => x.DeviceKind).Distinct()),
        Build = string.Join(" + ", kinds.Select(x => x.Build).Distinct()),
        Numerics = string.Join(" + ", kinds.Select(x => x.Numerics).Distinct()),
    };
}
