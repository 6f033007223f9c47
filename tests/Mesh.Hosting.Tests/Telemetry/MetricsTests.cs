using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Hosting.Tests.Telemetry;

public sealed partial class MetricsTests
{
    [Fact]
    public async Task Metrics_InstrumentsOfEveryKind_AreWrittenInPrometheusFormat()
    {
        await using var probe = await Probe.StartAsync();
        var meter = probe.Services.GetRequiredService<IMeterFactory>().Create("Mesh.Test");
        var counter = meter.CreateCounter<long>("mesh_test_pieces", null, "Pieces \\ of\nwork");
        counter.Add(2, new KeyValuePair<string, object?>("model.id", "a \"b\" \\ c\nd"), new("batch", 3));
        counter.Add(3, new KeyValuePair<string, object?>("batch", 3), new("model.id", "a \"b\" \\ c\nd"));
        counter.Add(1);
        var running = meter.CreateUpDownCounter<int>("mesh_test_running");
        running.Add(5);
        running.Add(-2);
        meter.CreateGauge<double>("mesh_test_load").Record(double.NegativeInfinity);
        var seen = 0;
        meter.CreateObservableGauge("mesh_test_observed", () => new Measurement<int>(++seen, new KeyValuePair<string, object?>("n", seen)));
        meter.CreateObservableCounter("mesh_test_total", () => 7L);
        var histogram = meter.CreateHistogram("mesh_test_seconds", "s", null, null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1.0] });
        foreach (var value in (double[])[0.5, 0.75, 9]) histogram.Record(value, new KeyValuePair<string, object?>("stage", "text"));

        var metrics = await ReadAsync(probe);

        metrics.Types["mesh_test_pieces_total"].ShouldBe("counter");
        metrics.Values["mesh_test_pieces_total{batch=\"3\",model_id=\"a \\\"b\\\" \\\\ c\\nd\"}"].ShouldBe(5);
        metrics.Values["mesh_test_pieces_total"].ShouldBe(1);
        metrics.Text.ShouldContain("# HELP mesh_test_pieces_total Pieces \\\\ of\\nwork\n");
        metrics.Types["mesh_test_running"].ShouldBe("gauge");
        metrics.Values["mesh_test_running"].ShouldBe(3);
        metrics.Values["mesh_test_load"].ShouldBe(double.NegativeInfinity);
        metrics.Values["mesh_test_total"].ShouldBe(7);
        metrics.Types["mesh_test_seconds"].ShouldBe("histogram");
        metrics.Values["mesh_test_seconds_bucket{stage=\"text\",le=\"0.5\"}"].ShouldBe(1);
        metrics.Values["mesh_test_seconds_bucket{stage=\"text\",le=\"1\"}"].ShouldBe(2);
        metrics.Values["mesh_test_seconds_bucket{stage=\"text\",le=\"+Inf\"}"].ShouldBe(3);
        metrics.Values["mesh_test_seconds_count{stage=\"text\"}"].ShouldBe(3);
        metrics.Values["mesh_test_seconds_sum{stage=\"text\"}"].ShouldBe(10.25);
        metrics.Values.Keys.Where(x => x.StartsWith("mesh_test_observed", StringComparison.Ordinal)).ShouldBe(["mesh_test_observed{n=\"1\"}"]);
        (await ReadAsync(probe)).Values.Keys.Where(x => x.StartsWith("mesh_test_observed", StringComparison.Ordinal)).ShouldBe(["mesh_test_observed{n=\"2\"}"]);
    }

    [Fact]
    public async Task Metrics_CallsWereAnswered_CountsThemByMethodAndCode()
    {
        var fail = false;
        await using var probe = await Probe.StartAsync(_ => fail ? throw new OperationCanceledException() : Task.CompletedTask);
        await probe.CallAsync();
        await probe.CallAsync();
        fail = true;
        await Should.ThrowAsync<Grpc.Core.RpcException>(probe.CallAsync());

        var metrics = await ReadAsync(probe);

        const string Method = "method=\"/mesh.stage.v1.StageService/GetStage\"";
        metrics.Values[$"mesh_rpc_calls_total{{code=\"OK\",{Method}}}"].ShouldBe(2);
        metrics.Values[$"mesh_rpc_calls_total{{code=\"Cancelled\",{Method}}}"].ShouldBe(1);
        metrics.Values[$"mesh_rpc_running{{{Method}}}"].ShouldBe(0);
        metrics.Values[$"mesh_rpc_duration_seconds_count{{code=\"OK\",{Method}}}"].ShouldBe(2);
        metrics.Values["mesh_ready{service=\"probe\"}"].ShouldBe(1);
        metrics.Values.Keys.ShouldContain(x => x.StartsWith("mesh_info{build=\"1.", StringComparison.Ordinal));
        metrics.Values.Keys.ShouldContain(x => x.StartsWith("dotnet_gc_collections_total{", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_TwoServicesInOneProcess_EachShowsItsOwn()
    {
        await using var one = await Probe.StartAsync();
        await using var other = await Probe.StartAsync();
        await one.CallAsync();

        (await ReadAsync(one)).Text.ShouldContain("mesh_rpc_calls_total{");
        (await ReadAsync(other)).Text.ShouldNotContain("mesh_rpc_calls_total{");
    }

    [Fact]
    public async Task Metrics_LabelTakesEverNewValues_StaysBounded()
    {
        await using var probe = await Probe.StartAsync();
        var counter = probe.Services.GetRequiredService<IMeterFactory>().Create("Mesh.Test").CreateCounter<long>("mesh_test_total");
        for (var i = 0; i < 5000; i++) counter.Add(1, new KeyValuePair<string, object?>("id", i));

        var values = (await ReadAsync(probe)).Values.Where(x => x.Key.StartsWith("mesh_test_total", StringComparison.Ordinal)).ToList();

        values.Count.ShouldBe(2001);
        values.Sum(x => x.Value).ShouldBe(5000);
        values.ShouldContain(x => x.Key == "mesh_test_total{overflow=\"true\"}" && x.Value == 3000);
    }

    private static async Task<(string Text, Dictionary<string, string> Types, Dictionary<string, double> Values)> ReadAsync(Probe probe)
    {
        using var answer = await probe.Http.GetAsync(new Uri("/metrics", UriKind.Relative)).DefaultTimeout();
        answer.Content.Headers.ContentType!.ToString().ShouldBe("text/plain; version=0.0.4; charset=utf-8");
        var text = await answer.Content.ReadAsStringAsync().DefaultTimeout();
        text.ShouldEndWith("\n");
        Dictionary<string, string> types = [];
        Dictionary<string, double> values = [];
        var family = "";
        foreach (var line in text[..^1].Split('\n'))
        {
            if (TypeLine().Match(line) is { Success: true } type)
            {
                family = type.Groups[1].Value;
                types.Add(family, type.Groups[2].Value);
            }
            else if (!line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var sample = SampleLine().Match(line);
                sample.Success.ShouldBeTrue(line);
                // A family's samples follow its type.
                sample.Groups[1].Value.ShouldStartWith(family);
                var value = sample.Groups[3].Value;
                values.Add(sample.Groups[1].Value + sample.Groups[2].Value, value switch
                {
                    "+Inf" => double.PositiveInfinity,
                    "-Inf" => double.NegativeInfinity,
                    _ => double.Parse(value, CultureInfo.InvariantCulture),
                });
            }
        }
        return (text, types, values);
    }

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+\})? ([-+]?(?:Inf|[0-9.]+(?:E[-+]?[0-9]+)?)|NaN)$""")]
    private static partial Regex SampleLine();
}
