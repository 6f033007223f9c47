using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Images;

/// <summary>Carries out Upscale calls.</summary>
internal sealed class UpscaleRunner(Enlarger enlarger, FileEncoder files, GatewayMetrics metrics)
{
    /// <inheritdoc cref="GenerateRunner.RunAsync"/>
    public async Task<bool> RunAsync(UpscaleCallPlan plan, RunEvents events, DateTimeOffset? deadline, CancellationToken cancel)
    {
        try
        {
            var enlarged = await enlarger.RunAsync(
                plan.Picture, plan.Plan, plan.Seed, 0, plan.File is not null, tile => events.AddAsync(new() { Tile = tile }, cancel), deadline, cancel).ConfigureAwait(false);
            var completed = new Completed
            {
                Seed = plan.Seed,
                Model = plan.Plan.Model.Ref,
                Upscale = enlarged.Timings,
                Reproducibility = Reproducible.Of([enlarged.Kind]),
            };
            if (plan.File is { } written)
            {
                var file = await files.EncodeAsync(enlarged.Image!, written, GenerationText.OfUpscale(plan.Plan, plan.Seed), cancel).ConfigureAwait(false);
                completed.Sha256 = file.Sha256;
                foreach (var chunk in file.Chunks(0)) await events.AddAsync(new() { Image = chunk }, cancel).ConfigureAwait(false);
            }
            await events.AddAsync(new() { Completed = completed }, cancel).ConfigureAwait(false);
            metrics.Drawn("enlarged");
            return true;
        }
        catch when (!cancel.IsCancellationRequested)
        {
            metrics.Drawn("failed");
            throw;
        }
    }
}
