using Mesh.Batching;
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

    public void Run(UpsamplerNetwork model, UpsamplerNetwork? companion, AnyPicture key, IBatch<UpscaleJob, FinishedTile?> batch) =>
        batch.Each(job => job.Step(model.Upscaler));

    public Rehearsal<AnyPicture, UpscaleJob> Rehearse(UpsamplerNetwork model, int size)
    {
        var side = model.Config.InputImageSize;
        return new(default, [.. Enumerable.Range(0, size).Select(_ => new UpscaleJob(model.Config, new byte[side * side * 3], side, side, new SeededUpscaleNoise(0), false))]);
    }
}
