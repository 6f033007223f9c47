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

    /// <summary>Median of the stages' own device time, their sum.</summary>
    public required double ComputeMs { get; init; }

    /// <summary>Median of what stages spent beside it: queues, their own conversions.</summary>
    public required double InStagesMs { get; init; }

    /// <summary>Median of what the gateway spent beside its stages: links, caches, writing the file.</summary>
    public required double InGatewayMs { get; init; }

    /// <summary>Median of the rest: from the caller to the gateway and back.</summary>
    public required double AroundMs { get; init; }

    /// <summary>Median of a call that does next to nothing.</summary>
    public required double EmptyCallMs { get; init; }

    public double OverheadMs => MeshMs - FusedMs;

    public double OverheadShare => OverheadMs / FusedMs;

    /// <summary>Two milliseconds or five percent, whichever is larger.</summary>
    public double LimitMs => Math.Max(2, 0.05 * FusedMs);
}

/// <summary>Runs a pipeline in this process and a mesh in turn, one request at a time, prompts that neither knows.</summary>
internal static class Overhead
{
    // The runtime compiles again what has run often; before that a call is slower than all that come after.
    private const int WarmUps = 40;

    /// <param name="model">What the mesh serves; loaded here too.</param>
    /// <param name="mesh">Who is asked.</param>
    /// <param name="id">The model's id in the mesh; null: its default.</param>
    /// <param name="runs">Of each.</param>
    /// <param name="prompt">Gives new prompts.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<OverheadResult> MeasureAsync(ModelDescription model, MeshClient mesh, string? id, int runs, Func<string> prompt, CancellationToken cancel)
    {
        using var pipeline = TextToImagePipeline.Load(model, new ComputeOptions());
        var (fused, whole, compute, stages, gateway, around, empty) =
            (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        // Both are asked some times before the clock counts.
        for (var i = -WarmUps; i < runs; i++)
        {
            var clock = Stopwatch.StartNew();
            var picture = pipeline.Generate(new TextToImageRequest { Prompts = [prompt()], Seeds = [i] }, cancel)[0];
            _ = ImageCodec.Encode(new Image(picture.Width, picture.Height, picture.Rgb), ImageFormat.Png);
            var fusedMs = clock.Elapsed.TotalMilliseconds;
            clock.Restart();
            var part = await AskAsync(mesh, new GenerationRequest(prompt()) { Model = id, Seeds = [unchecked((uint)i)] }, cancel);
            var meshMs = clock.Elapsed.TotalMilliseconds;
            clock.Restart();
            await mesh.GetCapabilitiesAsync(cancel);
            var emptyMs = clock.Elapsed.TotalMilliseconds;
            if (i < 0) continue;
            empty.Add(emptyMs);
            fused.Add(fusedMs);
            whole.Add(meshMs);
            compute.Add(part.Compute);
            stages.Add(part.Total - part.Compute);
            gateway.Add(part.Elapsed - part.Total);
            around.Add(meshMs - part.Elapsed);
        }
        return new OverheadResult
        {
            Runs = runs, FusedMs = Median(fused), MeshMs = Median(whole), ComputeMs = Median(compute), InStagesMs = Median(stages), InGatewayMs = Median(gateway), AroundMs = Median(around),
            EmptyCallMs = Median(empty),
        };
    }

    /// <summary>One image; milliseconds that the stages took on their devices and in all, and the gateway until it was whole.</summary>
    private static async Task<(double Compute, double Total, double Elapsed)> AskAsync(MeshClient mesh, GenerationRequest request, CancellationToken cancel)
    {
        var (compute, total, elapsed) = (0.0, 0.0, 0.0);
        await foreach (var happened in mesh.GenerateAsync(request, cancel))
        {
            StageTimings?[] parts = happened switch
            {
                PromptEncoded x => [x.Timings],
                ImageReady x => [x.Image.Generate, x.Image.Decode],
                ImageFailed x => throw x.Error,
                _ => [],
            };
            compute += parts.Sum(x => x?.Compute.TotalMilliseconds ?? 0);
            total += parts.Sum(x => x?.Total.TotalMilliseconds ?? 0);
            elapsed = happened.Elapsed.TotalMilliseconds;
        }
        return (compute, total, elapsed);
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return LoadResult.Percentile(values, 0.5);
    }
}
