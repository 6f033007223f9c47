using System.Diagnostics.Metrics;
using System.Text;

namespace Mesh.Hosting.Telemetry;

/// <summary>
/// What one service's instruments have measured, in Prometheus' text format 0.0.4. It listens to the meters of the service's own
/// factory, so that several services in one process keep apart, and to the runtime's.
/// </summary>
internal sealed class PrometheusMetrics : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private const string RuntimeMeter = "System.Runtime";
    private const string MeshMeters = "Mesh.";

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();
    private readonly IMeterFactory _factory;

    public PrometheusMetrics(IMeterFactory factory)
    {
        _factory = factory;
        _listener.InstrumentPublished = Publish;
        Listen<byte>(x => x);
        Listen<short>(x => x);
        Listen<int>(x => x);
        Listen<long>(x => x);
        Listen<float>(x => x);
        Listen<double>(x => x);
        Listen<decimal>(x => (double)x);
        _listener.Start();
    }

    /// <summary>Whether the instruments of a meter are a service's own, or the runtime's.</summary>
    public static bool IsShown(Meter meter, IMeterFactory factory) =>
        meter.Name == RuntimeMeter || (meter.Name.StartsWith(MeshMeters, StringComparison.Ordinal) && ReferenceEquals(meter.Scope, factory));

    /// <summary>Everything as it is now.</summary>
    public string Write()
    {
        MetricFamily[] families;
        lock (_gate) families = [.. _families.Values];
        foreach (var family in families) family.ForgetObserved();
        _listener.RecordObservableInstruments();
        lock (_gate) families = [.. _families.Values];
        var text = new StringBuilder();
        foreach (var family in families) family.Write(text);
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Listen<T>(Func<T, double> convert) where T : struct =>
        _listener.SetMeasurementEventCallback<T>((_, value, tags, state) => ((MetricFamily)state!).Record(convert(value), tags));

    private void Publish(Instrument instrument, MeterListener listener)
    {
        if (!IsShown(instrument.Meter, _factory)) return;
        var made = MetricFamily.Create(instrument);
        MetricFamily? family;
        lock (_gate)
        {
            // Instruments of one name and kind are one family; a second kind under the name could not be told in this format.
            if (!_families.TryGetValue(made.Name, out family)) _families.Add(made.Name, family = made);
        }
        if (family.Kind == made.Kind) listener.EnableMeasurementEvents(instrument, family);
    }
}
