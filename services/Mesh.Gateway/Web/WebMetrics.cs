using System.Diagnostics.Metrics;

namespace Mesh.Gateway.Web;

/// <summary>Requests of the HTTP API, by path and code.</summary>
internal sealed class WebMetrics
{
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _running;
    private readonly TimeProvider _time;

    public WebMetrics(IMeterFactory factory, TimeProvider time)
    {
        var meter = factory.Create("Mesh.Gateway.Web");
        _requests = meter.CreateCounter<long>("mesh_http_requests_total", null, "Requests answered");
        _running = meter.CreateUpDownCounter<long>("mesh_http_running", null, "Requests that run now");
        _duration = meter.CreateHistogram<double>("mesh_http_duration_seconds", "s", "From a request's arrival to its end");
        _time = time;
    }

    /// <summary>Counts a request until what this returns is disposed.</summary>
    /// <param name="path">As it is mapped, not as it was called.</param>
    /// <param name="context">Its code at the end counts.</param>
    public IDisposable Begin(string path, HttpContext context)
    {
        _running.Add(1, new KeyValuePair<string, object?>("path", path));
        return new Request(this, path, context, _time.GetTimestamp());
    }

    private sealed class Request(WebMetrics owner, string path, HttpContext context, long started) : IDisposable
    {
        public void Dispose()
        {
            KeyValuePair<string, object?> of = new("path", path), with = new("code", context.Response.StatusCode);
            owner._running.Add(-1, of);
            owner._requests.Add(1, of, with);
            owner._duration.Record(owner._time.GetElapsedTime(started).TotalSeconds, of, with);
        }
    }
}
