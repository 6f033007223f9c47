using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Mesh.Cli.Serving;
using Spectre.Console;

namespace Mesh.Cli.Bench.Serve;

/// <summary>What <c>mesh bench serve</c> found, for people as tables and for programs as JSON.</summary>
internal sealed record ServeReport
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public string Machine { get; init; } = $"{Environment.ProcessorCount} cores, {RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    /// <summary>The mesh's, and its tensor library's.</summary>
    public string Build { get; set; } = "";

    /// <summary>Such as "cpu avx512".</summary>
    public string DeviceKind { get; set; } = "";

    public string Numerics { get; set; } = "";

    public string Model { get; set; } = "";

    public OverheadResult? Overhead { get; set; }

    /// <summary>Callers that ask again and again.</summary>
    public List<LoadResult> Concurrency { get; } = [];

    /// <summary>As many callers, and stages that batch more or less.</summary>
    public List<LoadResult> Batch { get; } = [];

    /// <summary>Requests that come at a rate.</summary>
    public List<LoadResult> OpenLoop { get; } = [];

    /// <summary>New prompts against known ones.</summary>
    public List<LoadResult> Cache { get; } = [];

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public void Write(IAnsiConsole console)
    {
        console.Line($"{Model} on {DeviceKind}, {Numerics}, build {Build}; {Machine}");
        if (Overhead is { } o)
        {
            console.Line(Invariant(
                $"overhead: {o.MeshMs:0.00} ms by the mesh, {o.FusedMs:0.00} ms in one process: {o.OverheadMs:+0.00;-0.00} ms, {o.OverheadShare:+0.0 %;-0.0 %} (goal: {o.LimitMs:0.00} ms); medians of {o.Runs}"));
            console.Line(Invariant(
                $"of the mesh's time: {o.ComputeMs:0.00} ms on the stages' devices, {o.InStagesMs:0.00} ms in stages beside that, {o.InGatewayMs:0.00} ms in the gateway, {o.AroundMs:0.00} ms from caller to gateway and back (an empty call: {o.EmptyCallMs:0.00} ms)"));
        }
        Write(console, "throughput by callers", Concurrency);
        Write(console, "throughput by largest batch", Batch);
        Write(console, "latency at a rate", OpenLoop);
        Write(console, "cache", Cache);
    }

    private static void Write(IAnsiConsole console, string title, List<LoadResult> results)
    {
        if (results.Count == 0) return;
        var table = new Table().AddColumns(title, "images/s", "p50", "p95", "p99", "mean batch", "cache hits", "images", "failures");
        foreach (var x in results)
        {
            table.AddRow(
                Markup.Escape(x.Name), Invariant($"{x.ImagesPerSecond:0.0}"), Invariant($"{x.P50Ms:0.0} ms"), Invariant($"{x.P95Ms:0.0} ms"), Invariant($"{x.P99Ms:0.0} ms"), Invariant($"{x.MeanBatch:0.0}"),
                Invariant($"{x.CacheHits:0 %}"), Invariant($"{x.Images}"), Markup.Escape(x.Failures == 0 ? "0" : string.Join(", ", x.Faults.Select(f => $"{f.Value} {f.Key}"))));
        }
        console.Write(table);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
