using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mesh.Batching;
using Mesh.Hosting.Telemetry;

namespace Mesh.Hosting.Stages;

/// <summary>Traces and metrics of a stage.</summary>
internal static class StageTelemetry
{
    /// <summary>Of the traces and of the metrics.</summary>
    public const string Name = "Mesh.Stage";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>The span of one piece of work, under the caller's.</summary>
    /// <param name="stream">What serves it.</param>
    /// <param name="traceParent">The caller's span as in W3C's header; empty or malformed for none.</param>
    public static Activity? StartWork(string stream, string traceParent) => TraceContext.Start(Source, stream, traceParent, ActivityKind.Server);

    /// <summary>Registers what a stage measures.</summary>
    /// <param name="factory">The service's own.</param>
    /// <param name="stage">Such as <c>text</c>.</param>
    /// <param name="statistics">The queue's counters.</param>
    /// <param name="costs">What batches cost.</param>
    /// <param name="heldBytes">Bytes of weights in memory.</param>
    public static void Register(IMeterFactory factory, string stage, Func<BatcherStatistics> statistics, BatchCosts costs, Func<long> heldBytes)
    {
        var meter = factory.Create(Name);
        KeyValuePair<string, object?> of = new("stage", stage);
        meter.CreateObservableGauge("mesh_stage_waiting", () => Measure(statistics().Waiting, of), null, "Pieces of work in the queue");
        meter.CreateObservableGauge("mesh_stage_running", () => Measure(statistics().Running, of), null, "Pieces of work on the device");
        meter.CreateObservableCounter("mesh_stage_work_total", () => Outcomes(statistics(), of), null, "Pieces of work by what became of them");
        meter.CreateObservableCounter("mesh_stage_batches_total", () => Measure(statistics().Batches, of), null, "Batches run");
        meter.CreateObservableCounter("mesh_stage_busy_seconds_total", () => Measure(statistics().Busy.TotalSeconds, of), "s", "Device time of all batches");
        meter.CreateObservableCounter("mesh_stage_wasted_seconds_total", () => Measure(statistics().Wasted.TotalSeconds, of), "s", "Device time of work that was cancelled while it ran");
        meter.CreateObservableGauge("mesh_stage_batch_cost_seconds", () => Costs(costs, of), "s", "Device time of a batch of the default model, by size");
        meter.CreateObservableGauge("mesh_stage_capacity", () => Measure(costs.Capacity(), of), null, "Most pieces of work a second that a measured batch size reaches");
        meter.CreateObservableGauge("mesh_stage_model_bytes", () => Measure(heldBytes(), of), "By", "Weights in memory");
    }

    private static Measurement<T> Measure<T>(T value, params KeyValuePair<string, object?>[] tags) where T : struct => new(value, tags);

    private static IEnumerable<Measurement<long>> Outcomes(BatcherStatistics s, KeyValuePair<string, object?> of) =>
        from x in new (string Outcome, long Count)[]
        {
            ("completed", s.Completed), ("failed", s.Failed), ("cancelled", s.Cancelled), ("expired", s.Expired), ("refused", s.Refused),
        }
        select Measure(x.Count, of, new("outcome", x.Outcome));

    private static IEnumerable<Measurement<double>> Costs(BatchCosts costs, KeyValuePair<string, object?> of) =>
        costs.Measured().Select(x => Measure(x.Mean.TotalSeconds, of, new("batch_size", x.Size)));
}
