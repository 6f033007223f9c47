using System.ComponentModel.DataAnnotations;

namespace Mesh.Hosting.Configuration;

/// <summary>Where a service listens: <c>host:port</c> (an IP address or localhost; port 0 is any free one), <c>unix:/path</c>, or the former after http:// or https://.</summary>
public sealed class ListenOptions
{
    public const string SectionName = "Listen";

    /// <summary>For gRPC, HTTP/2. Absent: the service's own.</summary>
    public string? Grpc { get; set; }

    /// <summary>For HTTP/1.1: /healthz, /readyz, /metrics, and what the service adds. Absent: the service's own; empty: none.</summary>
    public string? Http { get; set; }

    /// <summary>Listen beyond the loopback although callers need not prove who they are.</summary>
    public bool AllowRemoteWithoutKeys { get; set; }

    /// <summary>Whether gRPC reflection is served.</summary>
    public bool Reflection { get; set; } = true;
}

/// <summary>The certificate that a service shows, as PEM files, and whether its callers must show one.</summary>
public sealed class TlsOptions : IValidatableObject
{
    public const string SectionName = "Tls";

    /// <summary>A PEM file with the certificate and those between it and its authority. Absent: no TLS.</summary>
    public string? Certificate { get; set; }

    /// <summary>A PEM file with its private key.</summary>
    public string? Key { get; set; }

    /// <summary>A PEM file with the authorities of callers. Where it is set, a caller without a certificate of theirs is turned away.</summary>
    public string? ClientAuthority { get; set; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        PemFiles.Check(Certificate, Key, ClientAuthority, nameof(ClientAuthority), authorityNeedsCertificate: true);
}

/// <summary>How a service calls others.</summary>
public sealed class PeerOptions : IValidatableObject
{
    public const string SectionName = "Peer";

    /// <summary>A PEM file with the authorities that peers' certificates must come from. Absent: the system's.</summary>
    public string? Authority { get; set; }

    /// <summary>A PEM file with the certificate shown to peers. Absent: none.</summary>
    public string? Certificate { get; set; }

    /// <summary>A PEM file with its private key.</summary>
    public string? Key { get; set; }

    /// <summary>How long making a connection may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "00:10:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a connection with calls on it is asked whether it lives.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the answer may take before the connection counts as dead.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan KeepAliveTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Largest message in either direction, in bytes.</summary>
    [Range(4096, int.MaxValue)]
    public int MaxMessageBytes { get; set; } = 64 * 1024 * 1024;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        PemFiles.Check(Certificate, Key, Authority, nameof(Authority), authorityNeedsCertificate: false);
}

/// <summary>What a stage computes on.</summary>
public sealed class DeviceOptions
{
    public const string SectionName = "Device";

    /// <summary>auto, cpu or cuda:N. auto is the first CUDA device that is free, the CPU where there is none.</summary>
    [RegularExpression("auto|cpu|cuda:[0-9]{1,3}", ErrorMessage = "must be auto, cpu or cuda:N")]
    public string Name { get; set; } = "auto";

    /// <summary>Share a CUDA device with others that allow it too.</summary>
    public bool AllowShared { get; set; }

    /// <summary>What networks compute in: float32 or bfloat16.</summary>
    [RegularExpression("float32|bfloat16", ErrorMessage = "must be float32 or bfloat16")]
    public string Type { get; set; } = "float32";

    /// <summary>Where the files lie by which services keep off each other's devices. Absent: a folder of the system's temporary one.</summary>
    public string? LockFolder { get; set; }
}

/// <summary>How a stage queues work and forms batches.</summary>
public sealed class BatchingOptions
{
    public const string SectionName = "Batching";

    /// <summary>Most pieces of work in a batch.</summary>
    [Range(1, 1024)]
    public int MaxBatch { get; set; } = 8;

    /// <summary>Most pieces that wait.</summary>
    [Range(1, 1_000_000)]
    public int MaxQueue { get; set; } = 64;

    /// <summary>How long a free device waits for a batch to fill.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan MaxDelay { get; set; }

    /// <summary>The same for <see cref="Batching"/>.</summary>
    public Batching.BatcherOptions ToBatcherOptions() => new() { MaxBatch = MaxBatch, MaxQueue = MaxQueue, MaxDelay = MaxDelay };
}

/// <summary>How a service goes down.</summary>
public sealed class DrainOptions
{
    public const string SectionName = "Drain";

    /// <summary>How long running calls may take to end once no new ones are taken.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long new calls are still taken after readiness was withdrawn, so that load balancers see it first.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Delay { get; set; }

    /// <summary>Whether SIGTERM and Ctrl-C stop the service; not where several run in one process that stops them in order.</summary>
    public bool OnSignal { get; set; } = true;
}

/// <summary>Where traces, metrics and logs go.</summary>
public sealed class TelemetryOptions : IValidatableObject
{
    public const string SectionName = "Telemetry";

    /// <summary>Where the OpenTelemetry collector listens (OTLP over gRPC, or over HTTP where <see cref="OtlpProtocol"/> says so). Absent: nothing is sent.</summary>
    public Uri? OtlpEndpoint { get; set; }

    /// <summary>grpc or http.</summary>
    [RegularExpression("grpc|http", ErrorMessage = "must be grpc or http")]
    public string OtlpProtocol { get; set; } = "grpc";

    /// <summary>The share of traces that begin here and are kept, from 0 to 1. A caller's own decision goes before.</summary>
    [Range(0.0, 1.0)]
    public double TraceShare { get; set; } = 1;

    /// <summary>How often metrics are sent.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan MetricsInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>text or json: how log lines on the console look.</summary>
    [RegularExpression("text|json", ErrorMessage = "must be text or json")]
    public string Logs { get; set; } = "text";

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        // host:port alone is a URI too, of the scheme host.
        if (OtlpEndpoint is { } endpoint && !(endpoint.IsAbsoluteUri && endpoint.Scheme is "http" or "https"))
            yield return new ValidationResult("must be http://host:port or https://host:port", [nameof(OtlpEndpoint)]);
    }
}
