using System.Diagnostics.Metrics;
using Grpc.Core;

namespace Mesh.Hosting.Telemetry;

/// <summary>Calls that a service answers, by method and code.</summary>
internal sealed class CallMetrics
{
    private readonly Counter<long> _calls;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _running;

    public CallMetrics(IMeterFactory factory)
    {
        var meter = factory.Create("Mesh.Hosting");
        _calls = meter.CreateCounter<long>("mesh_rpc_calls_total", null, "Calls answered");
        _running = meter.CreateUpDownCounter<long>("mesh_rpc_running", null, "Calls that run now");
        _duration = meter.CreateHistogram<double>("mesh_rpc_duration_seconds", "s", "From a call's arrival to its end");
    }

    public void Begin(string method) => _running.Add(1, new KeyValuePair<string, object?>("method", method));

    public void End(string method, StatusCode code, TimeSpan elapsed)
    {
        KeyValuePair<string, object?> of = new("method", method), with = new("code", code.ToString());
        _running.Add(-1, of);
        _calls.Add(1, of, with);
        _duration.Record(elapsed.TotalSeconds, of, with);
    }
}
