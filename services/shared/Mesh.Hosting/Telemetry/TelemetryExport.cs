using System.Diagnostics.Metrics;
using Mesh.Hosting.Configuration;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Mesh.Hosting.Telemetry;

/// <summary>Sends traces and metrics to a collector, where one is configured. Disposing it sends what is left.</summary>
internal sealed class TelemetryExport : IDisposable
{
    // What the mesh starts itself, what the server starts for a request, and what the HTTP client starts for one.
    private static readonly string[] Sources = ["Mesh.*", "Microsoft.AspNetCore", "System.Net.Http"];

    private readonly TracerProvider? _traces;
    private readonly MeterProvider? _metrics;

    public TelemetryExport(IOptions<TelemetryOptions> options, MeshService service, IMeterFactory meters)
    {
        var telemetry = options.Value;
        if (telemetry.OtlpEndpoint is not { } endpoint) return;
        var resource = ResourceBuilder.CreateDefault().AddService($"mesh-{service.Name}", "mesh", BuildInfo.Mesh);
        _traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(telemetry.TraceShare)))
            .AddSource(Sources)
            .AddOtlpExporter(x => Address(x, telemetry, endpoint, "v1/traces"))
            .Build();
        _metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter("Mesh.*", "System.Runtime")
            .AddView(x => PrometheusMetrics.IsShown(x.Meter, meters) ? null : MetricStreamConfiguration.Drop)
            .AddOtlpExporter((exporter, reader) =>
            {
                Address(exporter, telemetry, endpoint, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = (int)telemetry.MetricsInterval.TotalMilliseconds;
            })
            .Build();
    }

    public void Dispose()
    {
        _traces?.Dispose();
        _metrics?.Dispose();
    }

    private static void Address(OtlpExporterOptions exporter, TelemetryOptions telemetry, Uri endpoint, string path)
    {
        var http = telemetry.OtlpProtocol == "http";
        exporter.Protocol = http ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        exporter.Endpoint = http ? new Uri($"{endpoint.AbsoluteUri.TrimEnd('/')}/{path}") : endpoint;
    }
}
