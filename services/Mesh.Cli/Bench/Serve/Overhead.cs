using System.Diagnostics;
using Mesh.Client;
using Mesh.Imaging;
using Mesh.Models.Pipelines;
using Mesh.Models.Recipes;

namespace Mesh.Cli.Bench.Serve;

/// <summary>What a mesh costs over the same work in one process.</summary>
internal sealed record OverheadResult
{
    public required int Runs { get; init; }

    /// <summary>Median of the pipeline in this process, from prompt to PNG.</summary>
    public required double FusedMs { get; init; }

    /// <summary>Median of the same through the mesh, as a caller sees it.</summary>
    public required double MeshMs { get; init; }

    /// <summary>Median over the runs of what a caller waited beyond the stages' own device time.</summary>
    public required double BetweenStagesMs { get; init; }

    public double OverheadMs => MeshMs - FusedMs;

    public double OverheadShare => OverheadMs / FusedMs;

    /// <summary>Two milliseconds or five percent, whichever is larger.</summary>
    public double LimitMs => Math.Max(2, 0.05 * FusedMs);
}

/// <summary>Runs a pipeline in this process and a mesh in turn, one request at a time, prompts that neither knows.</summary>
internal static class Overhead
{
    /// <param name="model">What the mesh serves; loaded here too.</param>
    /// <param name="mesh">Who is asked.</param>
    /// <param name="id">The model's id in the mesh; null: its default.</param>
    /// <param name="runs">Of each.</param>
    /// <param name="prompt">Gives new prompts.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<OverheadResult> MeasureAsync(ModelDescription model, MeshClient mesh, string? id, int runs, Func<string> prompt, CancellationToken cancel)
    {
        using var pipeline = TextToImagePipeline.Load(model, new ComputeOptions());
        var (fused, whole, between) = (new List<double>(), new List<double>(), new List<double>());
        // Both are asked once before the clock counts.
        for (var i = -1; i < runs; i++)
        {
            var clock = Stopwatch.StartNew();
            var picture = pipeline.Generate(new TextToImageRequest { Prompts = [prompt()], Seeds = [i] }, cancel)[0];
            _ = ImageCodec.Encode(new Image(picture.Width, picture.Height, picture.Rgb), ImageFormat.Png);
            var fusedMs = clock.Elapsed.TotalMilliseconds;
            clock.Restart();
            var compute = 0.0;
            await foreach (var happened in mesh.GenerateAsync(new GenerationRequest(prompt()) { Model = id, Seeds = [unchecked((uint)i)] }, cancel))
            {
                if (happened is PromptEncoded { Timings: { } text }) compute += text.Compute.TotalMilliseconds;
                if (happened is ImageReady { Image: var image }) compute += (image.Generate?.Compute.TotalMilliseconds ?? 0) + (image.Decode?.Compute.TotalMilliseconds ?? 0);
                if (happened is ImageFailed failed) throw failed.Error;
            }
            var meshMs = clock.Elapsed.TotalMilliseconds;
            if (i < 0) continue;
            fused.Add(fusedMs);
            whole.Add(meshMs);
            between.Add(meshMs - compute);
        }
        return new OverheadResult { Runs = runs, FusedMs = Median(fused), MeshMs = Median(whole), BetweenStagesMs = Median(between) };
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return LoadResult.Percentile(values, 0.5);
    }
}
