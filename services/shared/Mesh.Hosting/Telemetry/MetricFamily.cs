using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Mesh.Hosting.Telemetry;

/// <summary>What Prometheus calls a metric.</summary>
internal enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>All that was measured under one name, by labels.</summary>
internal sealed class MetricFamily
{
    // A label that takes ever new values would fill the memory; what comes after so many goes under this one.
    private const int MaxSeries = 2000;
    private const string OverflowLabels = "overflow=\"true\"";
    private static readonly double[] Seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);
    private readonly string _help;
    private readonly bool _observed;
    private readonly bool _adds;
    private readonly double[] _bounds;

    private MetricFamily(string name, MetricKind kind, string help, bool observed, bool adds, double[] bounds) =>
        (Name, Kind, _help, _observed, _adds, _bounds) = (name, kind, help, observed, adds, bounds);

    public string Name { get; }

    public MetricKind Kind { get; }

    public static MetricFamily Create(Instrument instrument)
    {
        var type = instrument.GetType().GetGenericTypeDefinition();
        var name = Clean(instrument.Name, colon: true);
        var help = instrument.Description ?? "";
        if (type == typeof(Histogram<>)) return new(name, MetricKind.Histogram, help, false, true, BoundsOf(instrument));
        var counts = type == typeof(Counter<>) || type == typeof(ObservableCounter<>);
        if (counts && !name.EndsWith("_total", StringComparison.Ordinal)) name += "_total";
        var adds = type == typeof(Counter<>) || type == typeof(UpDownCounter<>);
        return new(name, counts ? MetricKind.Counter : MetricKind.Gauge, help, instrument.IsObservable, adds, []);
    }

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = Labels(tags);
        lock (_gate)
        {
            if (!_series.TryGetValue(labels, out var series))
            {
                if (_series.Count >= MaxSeries) labels = OverflowLabels;
                if (!_series.TryGetValue(labels, out series)) _series.Add(labels, series = new Series(_bounds.Length));
            }
            if (Kind == MetricKind.Histogram) series.Add(value, _bounds);
            else series.Value = _adds ? series.Value + value : value;
        }
    }

    /// <summary>What is observed at each reading says only what is so then.</summary>
    public void ForgetObserved()
    {
        if (!_observed) return;
        lock (_gate) _series.Clear();
    }

    public void Write(StringBuilder text)
    {
        lock (_gate)
        {
            if (_series.Count == 0) return;
            if (_help.Length > 0) text.Append("# HELP ").Append(Name).Append(' ').Append(Escape(_help, quote: false)).Append('\n');
            text.Append("# TYPE ").Append(Name).Append(' ').Append(Kind.ToString().ToLowerInvariant()).Append('\n');
            foreach (var (labels, series) in _series)
            {
                if (Kind == MetricKind.Histogram) WriteHistogram(text, labels, series);
                else Line(text, "", labels, series.Value);
            }
        }
    }

    private void WriteHistogram(StringBuilder text, string labels, Series series)
    {
        var before = labels.Length > 0 ? labels + "," : "";
        var below = 0L;
        for (var i = 0; i < _bounds.Length; i++)
        {
            below += series.Buckets[i];
            Line(text, "_bucket", $"{before}le=\"{Number(_bounds[i])}\"", below);
        }
        Line(text, "_bucket", before + "le=\"+Inf\"", series.Count);
        Line(text, "_sum", labels, series.Value);
        Line(text, "_count", labels, series.Count);
    }

    private void Line(StringBuilder text, string suffix, string labels, double value)
    {
        text.Append(Name).Append(suffix);
        if (labels.Length > 0) text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.Length == 0) return "";
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in tags) sorted[Clean(key, colon: false)] = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return string.Join(',', sorted.Select(x => $"{x.Key}=\"{Escape(x.Value, quote: true)}\""));
    }

    private static string Escape(string text, bool quote)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quote ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Clean(string name, bool colon)
    {
        var clean = string.Concat(name.Select(x => char.IsAsciiLetterOrDigit(x) || x == '_' || (colon && x == ':') ? x : '_'));
        return clean.Length == 0 || char.IsAsciiDigit(clean[0]) ? "_" + clean : clean;
    }

    private static double[] BoundsOf(Instrument instrument)
    {
        IEnumerable<double>? advised = instrument switch
        {
            Instrument<double> x => x.Advice?.HistogramBucketBoundaries,
            Instrument<float> x => x.Advice?.HistogramBucketBoundaries?.Select(y => (double)y),
            Instrument<long> x => x.Advice?.HistogramBucketBoundaries?.Select(y => (double)y),
            Instrument<int> x => x.Advice?.HistogramBucketBoundaries?.Select(y => (double)y),
            _ => null,
        };
        return advised is null ? Seconds : [.. advised];
    }

    private sealed class Series(int buckets)
    {
        public long[] Buckets { get; } = new long[buckets];

        public long Count { get; private set; }

        /// <summary>The value, or the sum of a histogram.</summary>
        public double Value { get; set; }

        public void Add(double value, double[] bounds)
        {
            Value += value;
            Count++;
            var i = Array.FindIndex(bounds, x => value <= x);
            if (i >= 0) Buckets[i]++;
        }
    }
}
