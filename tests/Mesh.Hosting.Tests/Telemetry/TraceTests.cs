using System.Diagnostics;
using System.Text;
using Grpc.Core;
using Mesh.Contracts.Stage.V1;
using Mesh.Hosting.Peers;
using Mesh.Hosting.Telemetry;

namespace Mesh.Hosting.Tests.Telemetry;

public sealed class TraceTests
{
    private static readonly ActivitySource Source = new("Mesh.Test");

    [Theory]
    [InlineData("grpc", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")]
    [InlineData("http", "/v1/traces", "/v1/metrics")]
    public async Task Otlp_Collector_GetsSpansAndMetrics(string protocol, string traces, string metrics)
    {
        await using var collector = await Collector.StartAsync(protocol == "grpc");
        var (header, id) = NewTrace();
        await using (var probe = await Probe.StartAsync(settings: [("Mesh:Telemetry:OtlpEndpoint", collector.Address), ("Mesh:Telemetry:OtlpProtocol", protocol)]))
        {
            await probe.CallAsync(header);
        }

        var spans = Encoding.UTF8.GetString(await collector.NextAsync(traces, Convert.FromHexString(id)));
        spans.ShouldContain("mesh-probe");
        spans.ShouldContain("rpc.grpc.status_code");
        Encoding.UTF8.GetString(await collector.NextAsync(metrics, "mesh_rpc_calls_total"u8.ToArray())).ShouldContain("/mesh.stage.v1.StageService/GetStage");
    }

    [Fact]
    public async Task Otlp_CollectorIsGone_CallsAreAnsweredAllTheSame()
    {
        await using var probe = await Probe.StartAsync(settings: ("Mesh:Telemetry:OtlpEndpoint", "http://127.0.0.1:9"));

        (await probe.CallAsync()).Stage.ShouldBe("probe");
    }

    [Fact]
    public async Task Call_ThroughTwoServices_IsOneTrace()
    {
        string? behind = null;
        await using var back = await Probe.StartAsync(_ =>
        {
            behind = TraceContext.Current;
            return Task.CompletedTask;
        });
        using var channel = Probe.Peers().Create(MeshEndpoint.Parse(back.Addresses.Grpc));
        await using var front = await Probe.StartAsync(async context =>
            await new StageService.StageServiceClient(channel).GetStageAsync(new(), cancellationToken: context.CancellationToken));
        var (header, id) = NewTrace();

        await front.CallAsync(header);

        behind.ShouldNotBeNull().Split('-')[1].ShouldBe(id);
    }

    [Fact]
    public void Start_PieceOfWorkHasATrace_SpanBelongsToIt()
    {
        using var listener = Listen();
        var (header, id) = NewTrace();

        using var span = TraceContext.Start(Source, "encode", header.GetValue("traceparent")!).ShouldNotBeNull();

        span.TraceId.ToHexString().ShouldBe(id);
        span.HasRemoteParent.ShouldBeTrue();
        TraceContext.Current.Split('-')[1].ShouldBe(id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("00-nonsense")]
    public void Start_NoTraceparent_BeginsUnderTheCurrentSpan(string traceparent)
    {
        using var listener = Listen();
        using var outer = Source.StartActivity("outer").ShouldNotBeNull();

        using var span = TraceContext.Start(Source, "encode", traceparent).ShouldNotBeNull();

        span.ParentSpanId.ShouldBe(outer.SpanId);
    }

    private static ActivityListener Listen()
    {
        var listener = new ActivityListener { ShouldListenTo = x => x.Name == "Mesh.Test", Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static (Metadata Header, string TraceId) NewTrace()
    {
        var id = ActivityTraceId.CreateRandom().ToHexString();
        return (new Metadata { { "traceparent", $"00-{id}-{ActivitySpanId.CreateRandom()}-01" } }, id);
    }
}
