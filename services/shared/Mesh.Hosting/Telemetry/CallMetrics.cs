using System.Diagnostics.Metrics;
using Grpc.Core;

namespace Mesh.Hosting.Telemetry;

/// <summary>Calls that a service answers, by method and code.</summary>
internal sealed class CallMetrics
{
    private readonly Counter<long> _calls;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _running;
    private int _now;
    private TaskCompletionSource? _none;

    public CallMetrics(IMeterFactory factory)
    {
        var meter = factory.Create("Mesh.Hosting");
        _calls = meter.CreateCounter<long>("mesh_rpc_calls_total", null, "Calls answered");
        _running = meter.CreateUpDownCounter<long>("mesh_rpc_running", null, "Calls that run now");
        _duration = meter.CreateHistogram<double>("mesh_rpc_duration_seconds", "s", "From a call's arrival to its end");
    }

    /// <summary>Calls that run now.</summary>
    public int Running => Volatile.Read(ref _now);

    /// <summary>Waits until no call runs; new ones must be refused already.</summary>
    /// <returns>How many still ran when the token was cancelled.</returns>
    public async Task<int> WaitForNoneAsync(CancellationToken cut)
    {
        var none = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _none, none);
        if (Running > 0) await none.Task.WaitAsync(cut).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Running;
    }

    public void Begin(string method)
    {
        Interlocked.Increment(ref _now);
        _running.Add(1, new KeyValuePair<string, object?>("method", method));
    }

    public void End(string method, StatusCode code, TimeSpan elapsed)
    {
        if (Interlocked.Decrement(ref _now) == 0) Volatile.Read(ref _none)?.TrySetResult();
        KeyValuePair<string, object?> of = new("method", method), with = new("code", code.ToString());
        _running.Add(-1, of);
        _calls.Add(1, of, with);
        _duration.Record(elapsed.TotalSeconds, of, with);
    }
}
