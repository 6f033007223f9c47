using System.Diagnostics.Metrics;
using Mesh.Hosting.Health;

namespace Mesh.Hosting.Telemetry;

/// <summary>Which service this is, and whether it is ready.</summary>
internal sealed class ServiceMetrics
{
    public ServiceMetrics(IMeterFactory factory, MeshService service, Readiness readiness)
    {
        var meter = factory.Create("Mesh.Hosting");
        KeyValuePair<string, object?> name = new("service", service.Name);
        meter.CreateObservableGauge("mesh_info", () => new Measurement<int>(1, name, new("build", BuildInfo.Mesh)), null, "Always 1; its labels say which service and build this is");
        meter.CreateObservableGauge("mesh_ready", () => new Measurement<int>(readiness.IsReady ? 1 : 0, name), null, "Whether the service can be asked");
    }
}
