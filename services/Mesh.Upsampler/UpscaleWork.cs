using Mesh.Hosting.Stages;
using Mesh.Models.Networks;

namespace Mesh.Upsampler;

/// <summary>
/// One tile of one picture at a time: the queue holds each picture's next tile, so that pictures take turns, a small one does not wait for the
/// whole of a large one, and giving up costs no more than the tile under way.
/// </summary>
internal sealed class UpscaleWork : IStageWork<UpsamplerNetwork, AnyPicture, UpscaleJob, FinishedTile?>
{
    public string Stage => "upsampler";

    public IReadOnlyList<FinishedTile?> Run(UpsamplerNetwork model, UpsamplerNetwork? companion, AnyPicture key, IReadOnlyList<UpscaleJob> items, CancellationToken unwanted)
    {
        var results = new FinishedTile?[items.Count];
        for (var i = 0; i < results.Length; i++)
        {
            unwanted.ThrowIfCancellationRequested();
            results[i] = items[i].Step(model.Upscaler);
        }
        return results;
    }

    public Rehearsal<AnyPicture, UpscaleJob> Rehearse(UpsamplerNetwork model, int size)
    {
        var side = model.Config.InputImageSize;
        return new(default, [.. Enumerable.Range(0, size).Select(_ => new UpscaleJob(model.Config, new byte[side * side * 3], side, side, new SeededUpscaleNoise(0), false))]);
    }
}
